/**
 * A worker process: prefill, decode and aggregated serving are this file with another role.
 *
 * Order of the start: status port; model card, engine and bus side by side; endpoints, heartbeat. The
 * heartbeat comes last, so that nobody is routed here before all is up.
 */

import type { Bus } from "../bus/mod.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import type { Engine, EngineSource, StepReport } from "../engine/engine.ts";
import { startEngine } from "../engine_thread/mod.ts";
import type { InstanceRecord, Role } from "../messages/mod.ts";
import { serveHttp } from "../process/http_server.ts";
import { runService, type ServiceContext } from "../process/run_service.ts";
import { connectServiceBus, shareExported } from "../process/service_bus.ts";
import { createWorkerMetrics, type WorkerMetrics } from "../telemetry/metrics/mod.ts";
import type { ActiveSpan } from "../telemetry/mod.ts";
import { SIMULATED } from "../weights/model_file.ts";
import { inOperatorsWords } from "./engine_settings.ts";
import { generateHandler } from "./generate_handler.ts";
import { heartbeatOf } from "./heartbeat.ts";
import { cardHandler, type EncodedCard, encodeModelCard } from "./model_card.ts";
import { findModel, type FoundModel } from "./model_source.ts";
import { refuseRival, untilOutranked } from "./rival.ts";
import { statusApp, type WorkerStatus } from "./status_server.ts";
import { StepHistory } from "./step_history.ts";
import { recordStep } from "./step_spans.ts";
import { StepWatchdog } from "./step_watchdog.ts";

const DEFAULT_STATUS_PORT: Readonly<Record<Role, number>> = { prefill: 9091, decode: 9092 };

/** Runs a worker as this process, to its end. */
export async function runWorker(role: Role): Promise<never> {
  return await runService(role, async (context) => {
    await using open = new AsyncDisposableStack();
    const worker = new WorkerProcess(role, context, open);
    const started = await Promise.race([worker.start(), context.stopping]);
    if (typeof started === "string") return;
    const ending = await Promise.race([started.failed, context.stopping]);
    await worker.drain(started);
    if (ending instanceof Error) throw ending;
  });
}

interface StartedWorker {
  readonly bus: Bus;
  readonly heartbeat: ReturnType<Bus["announce"]>;
  readonly stopServing: () => void;
  /** Resolves when the worker cannot go on: the reason. */
  readonly failed: Promise<Error>;
}

interface ModelDescription {
  readonly contextLength: number;
  readonly card: EncodedCard;
}

class WorkerProcess {
  readonly #role: Role;
  readonly #context: ServiceContext;
  readonly #open: AsyncDisposableStack;
  readonly #metrics: WorkerMetrics;
  readonly #steps = new StepHistory();
  readonly #startedAtMs = epochMs();
  #status: WorkerStatus = { status: "starting", details: {} };
  #bus: Bus | null = null;
  #engine: Engine | null = null;
  #watchdog: StepWatchdog | null = null;

  /** What it opens is closed with `open`, in reverse order. */
  constructor(role: Role, context: ServiceContext, open: AsyncDisposableStack) {
    this.#role = role;
    this.#context = context;
    this.#open = open;
    this.#metrics = createWorkerMetrics({
      namespace: context.settings.DYN_NAMESPACE,
      component: role,
      endpoint: "generate",
      workerId: context.instanceId,
    });
  }

  /** Rejects with the reason, in words for the operator. */
  async start(): Promise<StartedWorker> {
    const { telemetry, settings, instanceId } = this.#context;
    const span = telemetry.rootSpan("worker_start", {
      attributes: {
        component: this.#role,
        namespace: settings.DYN_NAMESPACE,
        instance_id: instanceId,
      },
    });
    try {
      return await this.#startIn(span);
    } catch (error) {
      span.fail("start_failed", error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      span.end();
    }
  }

  /** Takes no more calls and lets running ones end within the time. */
  async drain({ bus, heartbeat, stopServing }: StartedWorker): Promise<void> {
    if (this.#status.status !== "failed") this.#status = { ...this.#status, status: "draining" };
    heartbeat.publishNow();
    stopServing();
    const { settings, telemetry } = this.#context;
    await bus.drain(settings.DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS, () => telemetry.lastWords());
    heartbeat.stop();
  }

  async #startIn(span: ActiveSpan<"worker_start">): Promise<StartedWorker> {
    const { settings, telemetry, instanceId } = this.#context;
    this.#serveStatus();
    const [model, { bus, lost }, engine] = await this.#openAll(span);
    await refuseRival(bus, instanceId);
    const { device } = engine.info;
    telemetry.describe({
      "model.name": model.card.card.name,
      "model.digest": model.card.card.fileDigest,
      "engine.backend": device.backend,
      "engine.adapter": device.adapter,
    });
    const stopServing = this.#serve(bus, engine, model.card);
    const heartbeat = bus.announce(() => this.#heartbeat(model, engine));
    const watchdog = this.#open.use(
      new StepWatchdog(engine, { limitMs: settings.DYN_STEP_TIMEOUT_MS, log: telemetry.log }),
    );
    this.#watchdog = watchdog;
    const name = model.card.card.name;
    this.#metrics.engineOpened({ ...device, model: name, loadMs: engine.info.loadMs });
    this.#metrics.observe(() => ({
      load: engine.load,
      queueLimit: settings.DYN_QUEUE_LIMIT,
      stepRunningMs: watchdog.runningMs(epochMs()),
      exporter: telemetry.exporter,
    }));
    this.#status = {
      status: "ready",
      details: {
        instance_id: instanceId,
        model: name,
        device,
        start_ms: Math.round(epochMs() - this.#startedAtMs),
      },
    };
    span.set({
      "engine.backend": device.backend,
      "engine.adapter": device.adapter,
      "engine.is_software": device.isSoftware,
    });
    telemetry.log.info("worker ready", {
      instance_id: instanceId,
      namespace: settings.DYN_NAMESPACE,
      model: name,
      backend: device.backend,
      adapter: device.adapter,
      is_software: device.isSoftware,
      load_ms: Math.round(engine.info.loadMs),
    });
    if (device.backend === SIMULATED) {
      telemetry.log.warn("the engine is simulated: every answer is made up", { model: name });
    }
    const outranked = untilOutranked(bus.directory(), this.#heartbeat(model, engine), heartbeat);
    const failed = Promise.race([engine.closed, lost.catch((error: Error) => error), outranked])
      .then((reason) => {
        const error = reason ?? new Error("Cannot go on: the engine closed");
        this.#status = { status: "failed", details: { reason: error.message } };
        return error;
      });
    return { bus, heartbeat, stopServing, failed };
  }

  #serveStatus(): void {
    const { DYN_SYSTEM_HOST: hostname, DYN_SYSTEM_PORT } = this.#context.settings;
    const port = DYN_SYSTEM_PORT ?? DEFAULT_STATUS_PORT[this.#role];
    if (port < 0) return;
    const app = statusApp(() => this.#statusNow(), (accept) => this.#metrics.render(accept));
    const settings = "DYN_SYSTEM_HOST or DYN_SYSTEM_PORT";
    this.#open.use(serveHttp((request) => app.fetch(request), { hostname, port, settings }));
  }

  #statusNow(): WorkerStatus {
    if (this.#status.status !== "ready") return this.#status;
    if (this.#bus?.isConnected === false) return { ...this.#status, status: "disconnected" };
    const isStuck = this.#watchdog?.isOverdue === true;
    return isStuck ? { ...this.#status, status: "stuck" } : this.#status;
  }

  async #openAll(span: ActiveSpan<"worker_start">) {
    const { settings, env } = this.#context;
    const found = await findModel(settings, env);
    const name = settings.DYN_MODEL_NAME || found.name;
    const load = span.child("engine_load", { attributes: { "model.name": name } });
    const starting = this.#startEngine(found.source).then((engine) => {
      load.set({ "kv.total_blocks": engine.info.limits.totalBlocks });
      this.#engine = engine;
      return this.#open.use(engine);
    });
    const connecting = connectServiceBus(this.#role, this.#context).then((service) => {
      this.#bus = this.#open.use(service.bus);
      shareExported(service.bus, this.#context.telemetry);
      return service;
    });
    const reading = describeModel(found, name).then((model) => {
      load.set({ "model.parameters": model.card.card.parameterCount });
      return model;
    });
    const loading = Promise.allSettled([reading, starting]).then(() => load.end());
    await Promise.allSettled([connecting, loading]);
    return await Promise.all([reading, connecting, starting]);
  }

  async #startEngine(source: EngineSource): Promise<Engine> {
    const { settings, telemetry } = this.#context;
    const console = telemetry.logger("console");
    try {
      return await startEngine({
        ...source,
        kvCacheTokens: settings.DYN_KV_CACHE_TOKENS,
        maxBatchTokens: settings.DYN_MAX_BATCH_TOKENS,
        maxSequences: settings.DYN_MAX_SEQUENCES,
        queueLimit: settings.DYN_QUEUE_LIMIT,
        onStep: (report) => this.#stepDone(report),
        onProgress: (share) => telemetry.log.debug("loading weights", { share }),
        onOutput: ({ level, text, fields }) =>
          console[level](text, { thread: "engine", ...fields }),
      });
    } catch (error) {
      if (error instanceof Error) error.message = inOperatorsWords(error.message);
      throw error;
    }
  }

  #stepDone(report: StepReport): void {
    const backend = this.#engine?.info.device.backend;
    if (backend === undefined) return;
    const { telemetry, instanceId } = this.#context;
    const steps = this.#steps;
    this.#metrics.stepDone(report, steps.tracesOf(report));
    steps.add(report);
    recordStep(report, { telemetry, role: this.#role, instanceId, steps, backend });
  }

  #serve(bus: Bus, engine: Engine, card: EncodedCard): () => void {
    const { settings, telemetry, instanceId } = this.#context;
    const role = this.#role;
    const transferTimeoutMs = settings.DYN_KV_TRANSFER_TIMEOUT_MS;
    const handler = generateHandler({
      role,
      namespace: settings.DYN_NAMESPACE,
      instanceId,
      modelName: card.card.name,
      bus,
      engine,
      telemetry,
      metrics: this.#metrics,
      steps: this.#steps,
      transferTimeoutMs,
    });
    const stops = [
      bus.serve(role, "generate", instanceId, handler),
      bus.serve(
        role,
        "card",
        instanceId,
        cardHandler(card, { bus, telemetry, instanceId, leaseMs: transferTimeoutMs }),
      ),
    ];
    return () => stops.forEach((stop) => stop());
  }

  #heartbeat({ card, contextLength }: ModelDescription, engine: Engine): InstanceRecord {
    const { settings, telemetry, instanceId } = this.#context;
    return heartbeatOf(engine, {
      instanceId,
      namespace: settings.DYN_NAMESPACE,
      role: this.#role,
      startedAtMs: this.#startedAtMs,
      status: this.#statusNow().status,
      model: { name: card.card.name, cardDigest: card.digest, contextLength },
      queueLimit: settings.DYN_QUEUE_LIMIT,
      exporter: telemetry.exporter,
    });
  }
}

/** What others need to know of the model; the engine reads the weights. */
async function describeModel(found: FoundModel, name: string): Promise<ModelDescription> {
  await using file = await found.openFile();
  const card = await encodeModelCard(file, { name, fileDigest: found.digest });
  return { contextLength: file.shape.contextLength, card };
}
