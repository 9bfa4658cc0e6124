/** `deno task start`: prepares, runs the services until a signal, and leaves nothing behind. */

import type { Settings } from "../../shared/config/mod.ts";
import { showProgress } from "./download_progress.ts";
import type { StartOptions } from "./options.ts";
import { choosePort, isPortFree } from "./ports.ts";
import { type Machine, prepare, type Prepared } from "./prepare.ts";
import { ServiceGroup } from "./service_group.ts";
import { planNatsServer, type PlannedService, planServices } from "./service_plan.ts";
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
  const http = httpAddress(options, settings);
  const prepared = await prepare(machine, {
    model: options.model ?? settings.DYN_MODEL,
    needsNatsServer: settings.NATS_URL === "",
    workerCount: options.prefillCount + options.decodeCount,
    canInstall: options.canInstall,
    say: (line) => terminal.say(line),
    onProgress: showProgress(terminal),
    signal: context.stop,
  });
  const folder = await Deno.makeTempDir({ prefix: "baton-" });
  const group = new ServiceGroup({
    onLine: (service, line) => {
      if (service !== "nats" || isNatsTrouble(line)) terminal.relay(service, line);
    },
    onRestart: (service, message) => terminal.notice(service, message),
  });
  try {
    terminal.say("Starting…");
    const stopped = untilAborted(context.stop);
    const started = startAll(group, { prepared, options, settings, http, folder });
    // When `stop` comes first, nobody is left to hear of a failure.
    started.catch(() => {});
    const services = await Promise.race([started, stopped]);
    if (services === undefined) return;
    for (const line of summary(services, { prepared, startedAtMs, terminal })) terminal.say(line);
    await stopped;
    terminal.say("Draining; once more to stop at once…");
  } finally {
    const graceMs = settings.DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS + EXIT_MARGIN_MS;
    await group.stop({ graceMs, hurry: context.hurry });
    await Deno.remove(folder, { recursive: true });
  }
}

interface StartInput {
  readonly prepared: Prepared;
  readonly options: StartOptions;
  readonly settings: Settings;
  readonly http: { readonly hostname: string; readonly port: number };
  readonly folder: string;
}

interface Running {
  readonly natsUrl: string;
  readonly workers: readonly PlannedService[];
  readonly frontend: PlannedService;
}

async function startAll(group: ServiceGroup, input: StartInput): Promise<Running> {
  const { prepared, settings } = input;
  let natsUrl = settings.NATS_URL;
  if (prepared.natsProgram !== undefined) {
    const nats = await planNatsServer(prepared.natsProgram, input.folder);
    await group.startStage([nats.spec]);
    natsUrl = nats.url;
  }
  const { workers, frontend } = planServices({
    natsUrl,
    model: {
      path: prepared.model.path,
      name: settings.DYN_MODEL_NAME || prepared.model.name,
    },
    http: input.http,
    prefillCount: input.options.prefillCount,
    decodeCount: input.options.decodeCount,
    adapterEnv: prepared.vulkan.env,
  });
  await Promise.all([group.startStage(workers), group.startStage([frontend])]);
  return { natsUrl, workers, frontend };
}

function httpAddress(
  options: StartOptions,
  settings: Settings,
): { hostname: string; port: number } {
  const hostname = settings.DYN_HTTP_HOST;
  const port = options.port ?? settings.DYN_HTTP_PORT;
  let isFree: boolean;
  try {
    isFree = isPortFree(hostname, port);
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new Error(
      `Cannot listen on ${hostname}:${port}: ${reason}; see DYN_HTTP_HOST and --port`,
    );
  }
  if (isFree) return { hostname, port: choosePort(hostname, { port }) };
  throw new Error(
    `Cannot listen on ${hostname}:${port}: another program does; choose a port with --port, ` +
      "--port 0 takes a free one",
  );
}

/** nats-server's own log says little that a user needs, unless it is a warning. */
function isNatsTrouble(line: string): boolean {
  return !/\[(INF|DBG|TRC)\]/.test(line);
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

interface SummaryInput {
  readonly prepared: Prepared;
  readonly startedAtMs: number;
  readonly terminal: Terminal;
}

function summary(running: Running, input: SummaryInput): string[] {
  const { adapter } = input.prepared.vulkan;
  const { name } = input.prepared.model;
  const seconds = ((performance.now() - input.startedAtMs) / 1000).toFixed(1);
  const { url } = running.frontend;
  const body = JSON.stringify({
    model: name,
    messages: [{ role: "user", content: "Hello!" }],
    stream: true,
  });
  return [
    "",
    input.terminal.emphasise(`Baton is ready after ${seconds} s: ${name} at ${url}/v1`),
    `  nats       ${running.natsUrl.replace(/\/\/[^@/]*@/, "//***@")}`,
    ...running.workers.map((worker) =>
      `  ${worker.name.padEnd(10)} ${worker.url}/health, /metrics`
    ),
    `  frontend   ${url}/health, /metrics, /openapi.json`,
    `  adapter    ${adapter.description}`,
    ...(adapter.isSoftware
      ? [
        "             This is a software adapter: it computes on the CPU and is slow. For speed, run",
        "             on a machine with a GPU and its Vulkan driver.",
      ]
      : []),
    "",
    `  curl -N ${url}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`,
    "",
    "Ctrl-C stops it.",
  ];
}
