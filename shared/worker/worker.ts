/**
 * A worker process: prefill, decode and aggregated serving are this file with another role.
 *
 * Order of the start: settings, telemetry, status port, model file, engine and bus side by side,
 * endpoints, heartbeat. The heartbeat comes last, so that nobody is routed here before all is up.
 */

import { hostname } from "node:os";
import { type Bus, connectBus } from "../bus/mod.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import { loadSettings, type Settings, telemetryOptions, unknownVariables } from "../config/mod.ts";
import { BLOCK_TOKENS } from "../engine/backend.ts";
import type { Engine } from "../engine/engine.ts";
import { startEngine } from "../engine_thread/mod.ts";
import type { InstanceRecord, Role } from "../messages/mod.ts";
import { createWorkerMetrics } from "../telemetry/metrics/mod.ts";
import { type ActiveSpan, startTelemetry, type Telemetry } from "../telemetry/mod.ts";
import { openGguf } from "../weights/mod.ts";
import { resolveModelFor } from "../weights/sources/mod.ts";
import { generateHandler } from "./generate_handler.ts";
import { cardHandler, type EncodedCard, encodeModelCard } from "./model_card.ts";
import { serveStatus, statusApp, type WorkerStatus } from "./status_server.ts";

const DEFAULT_STATUS_PORT: Readonly<Record<Role, number>> = { prefill: 9091, decode: 9092 };
const CONNECT_TIMEOUT_MS = 15_000;

export interface Worker {
  readonly instanceId: string;
  readonly statusPort: number | null;
  /** Resolves when the worker cannot go on: the reason. */
  readonly failed: Promise<Error>;
  /** Takes no more calls, lets running ones end within the time, then frees everything. */
  drain(timeoutMs: number): Promise<void>;
}

/** Starts a worker. Rejects with the reason, in words for the operator; nothing is left open then. */
export async function startWorker(
  role: Role,
  env: Readonly<Record<string, string>>,
): Promise<Worker> {
  const settings = loadSettings(env);
  const instanceId = settings.DYN_INSTANCE_ID || crypto.randomUUID();
  const telemetry = startTelemetry(telemetryOptions(settings, role, instanceId));
  for (const name of unknownVariables(env)) {
    telemetry.log.warn(`${name} is set and no Baton service reads it`);
  }
  try {
    return await new WorkerStart(role, settings, instanceId, telemetry, env).run();
  } catch (error) {
    await telemetry.shutdown("start failed", 2_000);
    throw error;
  }
}

class WorkerStart {
  readonly #open: AsyncDisposableStack = new AsyncDisposableStack();
  readonly #startedAtMs = epochMs();
  readonly #span: ActiveSpan<"worker_start">;
  #status: WorkerStatus = { status: "starting", details: {} };

  constructor(
    private readonly role: Role,
    private readonly settings: Settings,
    private readonly instanceId: string,
    private readonly telemetry: Telemetry,
    private readonly env: Readonly<Record<string, string>>,
  ) {
    this.#span = telemetry.rootSpan("worker_start", {
      attributes: {
        component: role,
        namespace: settings.DYN_NAMESPACE,
        instance_id: instanceId,
      },
    });
  }

  async run(): Promise<Worker> {
    try {
      return await this.#start();
    } catch (error) {
      this.#span.fail("start_failed", error instanceof Error ? error.message : String(error));
      await this.#open.disposeAsync();
      throw error;
    } finally {
      this.#span.end();
    }
  }

  async #start(): Promise<Worker> {
    const { settings, telemetry, role } = this;
    const metrics = createWorkerMetrics({
      namespace: settings.DYN_NAMESPACE,
      component: role,
      endpoint: "generate",
      workerId: this.instanceId,
    });
    const port = settings.DYN_SYSTEM_PORT ?? DEFAULT_STATUS_PORT[role];
    const server = port < 0 ? null : this.#open.use(serveStatus(
      statusApp(() => this.#status, (accept) => metrics.render(accept)),
      { hostname: settings.DYN_SYSTEM_HOST, port },
    ));
    const model = await resolveModelFor(settings.DYN_MODEL, { env: this.env });
    const name = settings.DYN_MODEL_NAME || model.name;
    const { card, contextLength } = await readCard(model.path, name, model.digest);
    const load = this.#span.child("engine_load", {
      attributes: { "model.name": name, "model.parameters": card.card.parameterCount },
    });
    const [bus, engine] = await this.#openBoth(model.path, contextLength, metrics)
      .catch((error) => {
        load.end();
        throw error;
      });
    load.set({ "kv.total_blocks": engine.info.limits.totalBlocks });
    load.end();
    this.#span.set({
      "engine.backend": engine.info.device.backend,
      "engine.adapter": engine.info.device.adapter,
      "engine.is_software": engine.info.device.isSoftware,
    });
    const context = {
      role,
      namespace: settings.DYN_NAMESPACE,
      instanceId: this.instanceId,
      modelName: name,
      bus,
      engine,
      telemetry,
      metrics,
      transferTimeoutMs: settings.DYN_KV_TRANSFER_TIMEOUT_MS,
    };
    const stopGenerate = bus.serve(role, "generate", this.instanceId, generateHandler(context));
    const stopCard = bus.serve(
      role,
      "card",
      this.instanceId,
      cardHandler(bus, card, settings.DYN_KV_TRANSFER_TIMEOUT_MS),
    );
    let isDraining = false;
    const record = () => this.#record(card, contextLength, engine, isDraining);
    const heartbeat = bus.announce(record);
    metrics.observe(() => ({ load: engine.load, exporter: telemetry.exporter }));
    this.#status = {
      status: "ready",
      details: {
        instance_id: this.instanceId,
        model: name,
        device: engine.info.device,
        start_ms: Math.round(epochMs() - this.#startedAtMs),
      },
    };
    telemetry.log.info("worker ready", {
      instance_id: this.instanceId,
      model: name,
      backend: engine.info.device.backend,
      adapter: engine.info.device.adapter,
      is_software: engine.info.device.isSoftware,
      load_ms: Math.round(engine.info.loadMs),
    });
    const failed = engine.closed.then((reason) => {
      this.#status = { status: "failed", details: { reason: reason?.message ?? "engine closed" } };
      return reason ?? new Error("The engine closed");
    });
    return {
      instanceId: this.instanceId,
      statusPort: server?.port ?? null,
      failed,
      drain: async (timeoutMs) => {
        isDraining = true;
        this.#status = { status: "draining", details: this.#status.details };
        heartbeat.publishNow();
        stopGenerate();
        stopCard();
        await bus.drain(timeoutMs);
        heartbeat.stop();
        await this.#open.disposeAsync();
        await telemetry.shutdown("drain", Math.max(1_000, timeoutMs / 2));
      },
    };
  }

  async #openBoth(
    modelPath: string,
    contextLength: number,
    metrics: ReturnType<typeof createWorkerMetrics>,
  ): Promise<[Bus, Engine]> {
    const { settings, telemetry, role } = this;
    const opening = [
      connectBus({
        url: settings.NATS_URL || "nats://127.0.0.1:4222",
        namespace: settings.DYN_NAMESPACE,
        clientName: `baton-${role}-${this.instanceId}`,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
      }).then((bus) => this.#open.use(bus)),
      startEngine({
        modelPath,
        kvCacheTokens: settings.DYN_KV_CACHE_TOKENS ?? Math.max(contextLength, 4096),
        maxBatchTokens: settings.DYN_MAX_BATCH_TOKENS,
        maxSequences: settings.DYN_MAX_SEQUENCES,
        queueLimit: settings.DYN_QUEUE_LIMIT,
        onStep: (report) => metrics.stepDone(report),
        onProgress: (share) => telemetry.log.debug("loading weights", { share }),
      }).then((engine) => this.#open.use(engine)),
    ] as const;
    await Promise.allSettled(opening);
    return await Promise.all(opening);
  }

  #record(
    card: EncodedCard,
    contextLength: number,
    engine: Engine,
    isDraining: boolean,
  ): InstanceRecord {
    return {
      instanceId: this.instanceId,
      namespace: this.settings.DYN_NAMESPACE,
      role: this.role,
      host: hostname(),
      pid: Deno.pid,
      startedAtMs: this.#startedAtMs,
      sentAtMs: epochMs(),
      isDraining,
      model: {
        name: card.card.name,
        cardDigest: card.digest,
        contextLength,
        blockTokens: BLOCK_TOKENS,
        blockBytes: engine.info.kv.blockBytes,
      },
      device: engine.info.device,
      load: { ...engine.load, queueLimit: this.settings.DYN_QUEUE_LIMIT },
    };
  }
}

async function readCard(path: string, name: string, fileDigest: string) {
  await using file = await openGguf(path);
  const card = await encodeModelCard(file, { name, fileDigest });
  return { card, contextLength: file.shape.contextLength };
}
