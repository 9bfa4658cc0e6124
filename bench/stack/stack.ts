/** The processes of one setup under measurement: NATS, a frontend and its workers. */

import { fromFileUrl } from "@std/path/mod.js";
import { choosePort } from "../../services/start/ports.ts";
import { planNatsServer } from "../../services/start/nats.ts";
import { planServices } from "../../services/start/service_plan.ts";
import type { ServiceSpec } from "../../services/start/supervised_service.ts";
import { cacheDirectory, readRegistries } from "../../shared/download/mod.ts";
import { ensureNatsServer } from "../../shared/provision/mod.ts";
import type { ResolvedModel } from "../../shared/weights/sources/mod.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const HOST = "127.0.0.1";
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

export interface StackOptions {
  readonly model: ResolvedModel;
  /** With a prefill worker beside the decode worker. */
  readonly isDisaggregated: boolean;
  /** Added to the environment of every process. */
  readonly env: Readonly<Record<string, string>>;
  readonly natsProgram: string;
  /** Checkout whose services run; by default this one. */
  readonly checkout?: string;
}

interface StackProcess {
  readonly name: string;
  readonly child: Deno.ChildProcess;
  /** Absent while it runs. */
  exitCode?: number;
}

/** The server's program, fetched where it is not in the cache. */
export async function natsProgram(): Promise<string> {
  const { os, arch } = Deno.build;
  const env = Deno.env.toObject();
  const { path } = await ensureNatsServer({
    os,
    arch,
    cacheDir: cacheDirectory({ os, env, override: env.DYN_CACHE_DIR ?? "" }),
    registries: await readRegistries(env),
  });
  return path;
}

export class BenchStack implements AsyncDisposable {
  readonly model: string;
  readonly url: string;
  readonly #processes: readonly StackProcess[];

  private constructor(
    model: string,
    { url, processes }: { url: string; processes: StackProcess[] },
  ) {
    this.model = model;
    this.url = url;
    this.#processes = processes;
  }

  /** Starts the processes; resolves when the frontend knows all workers. */
  static async start(options: StackOptions): Promise<BenchStack> {
    const nats = planNatsServer(options.natsProgram);
    const port = choosePort(HOST, 0);
    const prefillCount = options.isDisaggregated ? 1 : 0;
    const { workers, frontend } = planServices({
      natsUrl: nats.url,
      model: options.model,
      http: { hostname: HOST, port },
      prefillCount,
      decodeCount: 1,
      instanceId: "",
      serviceName: "",
      logDir: "off",
      exportEnv: {},
      deviceEnv: {},
    });
    const processes = [
      spawn(nats.spec, { ...options, checkout: undefined }),
      ...[...workers, frontend].map((spec) => spawn(spec, options)),
    ];
    const stack = new BenchStack(options.model.name, { url: frontend.url, processes });
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
    for (const { child, exitCode } of this.#processes.toReversed()) {
      if (exitCode === undefined) await child.stdin.close();
      await child.status;
    }
  }

  #pidsOf(name: RegExp): number[] {
    return this.#processes.filter((each) => name.test(each.name)).map(({ child }) => child.pid);
  }

  async #ready(workerCount: number): Promise<void> {
    const startMs = performance.now();
    while (await instanceCount(this.url) < workerCount) {
      const ended = this.#processes.find(({ exitCode }) => exitCode !== undefined);
      if (ended !== undefined) {
        throw new Error(`Cannot measure: ${ended.name} ended with code ${ended.exitCode}`);
      }
      if (performance.now() - startMs > READY_TIMEOUT_MS) {
        throw new Error(
          `Cannot measure: the services are not ready in ${READY_TIMEOUT_MS / 1e3} s`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function spawn(
  { name, command, env }: ServiceSpec,
  options: StackOptions,
): StackProcess {
  const { checkout } = options;
  const [program = "", ...args] = checkout === undefined
    ? command
    : command.map((part) => part.replace(ROOT, `${checkout.replace(/\/$/, "")}/`));
  const child = new Deno.Command(program, {
    args,
    env: { ...env(), ...options.env },
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const process: StackProcess = { name, child };
  child.status.then(({ code }) => process.exitCode = code);
  return process;
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
