/** The processes of one setup, on the simulated engine with no compute time. */

import { fromFileUrl } from "@std/path/mod.js";
import { choosePort } from "../../services/start/ports.ts";
import { planNatsServer, planServices } from "../../services/start/service_plan.ts";
import type { ServiceSpec } from "../../services/start/supervised_service.ts";

export const MODEL = "simulated";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const HOST = "127.0.0.1";
const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

export interface StackSetup {
  readonly isDisaggregated: boolean;
  /** Export, JSON lines and span events. */
  readonly isTraced: boolean;
  /** Checkout whose services run; by default this one. */
  readonly checkout?: string;
}

export interface StackOptions extends StackSetup {
  readonly natsProgram: string;
  /** Takes the spans of a traced setup. */
  readonly tracesUrl: string;
  readonly kvTokenBytes: number;
}

interface StackProcess {
  readonly name: string;
  readonly child: Deno.ChildProcess;
}

export class PlaneStack implements AsyncDisposable {
  readonly setup: StackSetup;
  readonly url: string;
  readonly #processes: readonly StackProcess[];
  readonly #folder: string;

  private constructor(
    setup: StackSetup,
    { url, processes, folder }: { url: string; processes: StackProcess[]; folder: string },
  ) {
    this.setup = setup;
    this.url = url;
    this.#processes = processes;
    this.#folder = folder;
  }

  /** Starts the processes; resolves when the frontend knows all workers. */
  static async start(options: StackOptions): Promise<PlaneStack> {
    const folder = await Deno.makeTempDir({ prefix: "baton-plane-" });
    const nats = await planNatsServer(options.natsProgram, folder);
    const port = choosePort(HOST, { port: 0 });
    const prefillCount = options.isDisaggregated ? 1 : 0;
    const { workers, frontend } = planServices({
      natsUrl: nats.url,
      model: { path: MODEL, name: MODEL },
      http: { hostname: HOST, port },
      prefillCount,
      decodeCount: 1,
      instanceId: "",
      serviceName: "",
      logDir: "off",
      exportEnv: {},
      deviceEnv: {},
    });
    const processes = [nats.spec, ...workers, frontend].map((spec) => spawn(spec, options));
    const stack = new PlaneStack(options, { url: frontend.url, processes, folder });
    try {
      await stack.#ready(prefillCount + 1);
      return stack;
    } catch (error) {
      await stack[Symbol.asyncDispose]();
      throw error;
    }
  }

  get frontendPid(): number {
    return this.#pidsOf(/^frontend$/)[0] ?? NaN;
  }

  get workerPids(): readonly number[] {
    return this.#pidsOf(/^(?:prefill|decode)/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#processes.toReversed()) {
      await child.stdin.close();
      await child.status;
    }
    await Deno.remove(this.#folder, { recursive: true });
  }

  #pidsOf(name: RegExp): number[] {
    return this.#processes.filter((each) => name.test(each.name)).map(({ child }) => child.pid);
  }

  async #ready(workerCount: number): Promise<void> {
    const startMs = performance.now();
    while (await instanceCount(this.url) < workerCount) {
      if (performance.now() - startMs > READY_TIMEOUT_MS) {
        throw new Error("Cannot measure: the services are not ready in 30 s");
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function spawn({ name, command, env }: ServiceSpec, options: StackOptions): StackProcess {
  const { checkout, isTraced } = options;
  const [program = "", ...args] = checkout === undefined
    ? command
    : command.map((part) => part.replace(ROOT, `${checkout.replace(/\/$/, "")}/`));
  const flag = isTraced ? "1" : "0";
  const child = new Deno.Command(program, {
    args,
    env: {
      ...env,
      DYN_ENGINE: "simulated",
      DYN_SIM_STEP_US: "0",
      DYN_SIM_ROW_US: "0",
      DYN_SIM_PREFILL_TOKEN_US: "0",
      DYN_SIM_ANSWER_TOKENS: "0",
      DYN_SIM_KV_TOKEN_BYTES: String(options.kvTokenBytes),
      DYN_KV_CACHE_TOKENS: "65536",
      DYN_MAX_SEQUENCES: "256",
      DYN_MAX_BATCH_TOKENS: "2048",
      DYN_QUEUE_LIMIT: "1024",
      OTEL_EXPORT_ENABLED: flag,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: options.tracesUrl,
      DYN_LOGGING_JSONL: flag,
      DYN_LOGGING_SPAN_EVENTS: flag,
    },
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return { name, child };
}

async function instanceCount(url: string): Promise<number> {
  try {
    const { status, instances } = await (await fetch(`${url}/health`)).json();
    return status === "healthy" ? instances.length : 0;
  } catch {
    // Not listening yet.
    return 0;
  }
}
