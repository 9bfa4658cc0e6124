/** `deno task start`: prepares, runs the services until a signal, and leaves nothing behind. */

import { givenServiceName, serviceLogDir, type Settings } from "../../shared/config/mod.ts";
import { httpAddress, tracesAddress } from "./addresses.ts";
import { showProgress } from "./download_progress.ts";
import type { Machine } from "./machine.ts";
import { planNatsServer, reachNats } from "./nats.ts";
import { type StartOptions, UsageError } from "./options.ts";
import { prepare, type Prepared } from "./prepare.ts";
import { ServiceGroup } from "./service_group.ts";
import { exportTo, planServices, planTraces, type TracesPlan } from "./service_plan.ts";
import { type Running, summary, taskCommand } from "./summary.ts";
import type { Terminal } from "./terminal.ts";

/** Beyond a service's own drain time, for its last export. */
const EXIT_MARGIN_MS = 7_000;

export interface RunContext {
  readonly machine: Machine;
  readonly settings: Settings;
  readonly terminal: Terminal;
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly stop: AbortSignal;
  /** Aborts at the second: no more draining. */
  readonly hurry: AbortSignal;
}

/** Runs until `stop`. Throws an error with one sentence when Baton cannot start. */
export async function run(options: StartOptions, context: RunContext): Promise<void> {
  const startedAtMs = performance.now();
  const { settings, terminal, machine } = context;
  if (settings.DYN_ENGINE === "simulated" && options.model !== undefined) {
    throw new UsageError(
      "Cannot use --model with DYN_ENGINE=simulated: it opens none; DYN_MODEL_NAME names it",
    );
  }
  const http = httpAddress(options, settings);
  const logDir = serviceLogDir(settings, machine.cacheDir);
  const traces = options.hasTraces
    ? planTraces({ ...tracesAddress(settings, http), logDir })
    : null;
  const group = new ServiceGroup({
    onLine: (service, line) => {
      if (service !== "nats" || isNatsTrouble(line)) terminal.relay(service, line);
    },
    onRestart: (service, message) => terminal.notice(service, message),
  });
  try {
    const preparing = prepare(machine, {
      model: options.model ?? settings.DYN_MODEL,
      settings,
      startNats: (program) => startNats(group, { program, stop: context.stop }),
      reachNats: (url) => orAborted(reachNats(url), context.stop),
      workerCount: options.prefillCount + options.decodeCount,
      canInstall: options.canInstall,
      say: (line) => terminal.say(line),
      onProgress: showProgress(terminal),
      signal: context.stop,
    });
    const prepared = await orStopped(preparing, context);
    terminal.say("Starting…");
    const stopped = untilAborted(context.stop);
    const started = startAll(group, {
      prepared,
      options,
      settings,
      http,
      traces,
      logDir,
      exportEnv: exportTo(traces?.otlpUrl, machine.env),
      onTracesFailure: (message) => terminal.notice("traces", message),
    });
    // When `stop` comes first, nobody is left to hear of a failure.
    started.catch(() => {});
    const services = await Promise.race([started, stopped]);
    if (services === undefined) return;
    const task = taskCommand(machine.env);
    const input = { prepared, startedAtMs, terminal, task, hasLogs: logDir !== "off" };
    for (const line of summary(services, input)) terminal.say(line);
    await stopped;
    terminal.say("Draining; once more to stop at once…");
  } finally {
    const graceMs = settings.DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS + EXIT_MARGIN_MS;
    await group.stop({ graceMs, hurry: context.hurry });
  }
}

interface StartInput {
  readonly prepared: Prepared;
  readonly options: StartOptions;
  readonly settings: Settings;
  readonly http: { readonly hostname: string; readonly port: number };
  readonly traces: TracesPlan | null;
  readonly logDir: string;
  readonly exportEnv: Readonly<Record<string, string>>;
  readonly onTracesFailure: (message: string) => void;
}

interface NatsStart {
  readonly program: string;
  readonly stop: AbortSignal;
}

/** Resolves, with the address, when the server is ready: until then it may take another port. */
async function startNats(group: ServiceGroup, { program, stop }: NatsStart): Promise<string> {
  const nats = planNatsServer(program);
  await orAborted(group.startStage([nats.spec]), stop);
  return nats.url;
}

/** Rejects with the signal's reason once it aborts: what goes on then is nobody's concern. */
async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  await Promise.race([work, untilAborted(signal)]);
  signal.throwIfAborted();
}

async function startAll(group: ServiceGroup, input: StartInput): Promise<Running> {
  const { prepared, settings } = input;
  let { traces } = input;
  if (traces !== null) {
    // Before the others, so that it ends after them and takes their last spans. Nobody waits for it.
    group.startStage([traces]).catch((error: Error) => {
      traces = null;
      input.onTracesFailure(`${error.message}\nBaton serves without it`);
    });
  }
  const model = settings.DYN_MODEL_NAME || prepared.model.name;
  const { workers, frontend } = planServices({
    natsUrl: prepared.natsUrl,
    model: { ...prepared.model, name: model },
    http: input.http,
    prefillCount: input.options.prefillCount,
    decodeCount: input.options.decodeCount,
    instanceId: settings.DYN_INSTANCE_ID,
    serviceName: givenServiceName(settings),
    logDir: input.logDir,
    exportEnv: input.exportEnv,
    deviceEnv: prepared.device.env,
  });
  await Promise.all([group.startStage(workers), group.startStage([frontend])]);
  return { model, traces, natsUrl: prepared.natsUrl, workers, frontend };
}

/** nats-server's own log says little that a user needs, unless it is a warning. */
function isNatsTrouble(line: string): boolean {
  return !/\[(INF|DBG|TRC)\]/.test(line);
}

/**
 * What was prepared. A step may take long to stop, such as one that installs: the second signal does
 * not wait for it, and rejects.
 */
async function orStopped<T>(preparing: Promise<T>, context: RunContext): Promise<T> {
  const { stop, hurry, terminal } = context;
  const isOver = new AbortController();
  const options = { once: true, signal: isOver.signal };
  const hurried = Promise.withResolvers<never>();
  stop.addEventListener(
    "abort",
    () => terminal.say("Stopping; once more to stop at once…"),
    options,
  );
  hurry.addEventListener("abort", () => hurried.reject(hurry.reason), options);
  try {
    return await Promise.race([preparing, hurried.promise]);
  } finally {
    isOver.abort();
  }
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
