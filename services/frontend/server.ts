/**
 * Serves a frontend over HTTP and drains it.
 *
 * Over node:http and not Deno.serve, which does not notice that a client left before its answer began
 * (docs/design/2026-11-http-server.md). Both set TCP_NODELAY: each token leaves at once.
 */

import { createServer, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { delay } from "@std/async/delay.js";
import { listenHttp } from "../../shared/process/node_http_server.ts";
import type { Frontend } from "./frontend.ts";

/** Time that the last bytes of answers may take to leave. */
const LAST_BYTES_MS = 1_000;
/**
 * How long a connection without a request stays open. Proxies keep theirs for 60 s, and one that is
 * closed under a request they send on it becomes a 502.
 */
const IDLE_CONNECTION_MS = 75_000;

export interface ServerOptions {
  readonly hostname: string;
  /** 0 takes a free one. */
  readonly port: number;
  /**
   * A connection on which nothing moves for so long under a request, or before its first, is closed: its
   * client neither reads nor leaves, not even where its answer has ended. More than a request may take.
   */
  readonly silenceMs: number;
}

export interface FrontendServer {
  readonly port: number;
  /**
   * New requests get 503 and `/health` says so; running ones end by themselves within the time, and
   * with an error after it. Resolves when the last byte was written and the port is closed.
   */
  drain(timeoutMs: number): Promise<void>;
}

/** Rejects with an Error that says what to change when the address cannot be had. */
export async function serveFrontend(
  frontend: Frontend,
  { hostname, port, silenceMs }: ServerOptions,
): Promise<FrontendServer> {
  const server = createServer(
    { keepAliveTimeout: IDLE_CONNECTION_MS },
    getRequestListener((request, env) => frontend.app.fetch(request, env as HttpBindings), {
      overrideGlobalObjects: false,
    }),
  );
  server.setTimeout(silenceMs);
  const unwritten = new UnwrittenResponses();
  server.on("request", (_, response) => unwritten.add(response));
  server.on("connection", (socket) => socket.once("close", () => unwritten.lost(socket)));
  const listeningPort = await listenHttp(server, {
    hostname,
    port,
    settings: "DYN_HTTP_HOST or DYN_HTTP_PORT",
  });
  return {
    port: listeningPort,
    async drain(timeoutMs) {
      await frontend.admission.drain(timeoutMs);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await unwritten.settled(LAST_BYTES_MS);
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Answers whose last byte was not handed to the system yet. */
class UnwrittenResponses {
  readonly #open = new Set<ServerResponse>();
  #onEmpty: (() => void) | null = null;

  add(response: ServerResponse): void {
    this.#open.add(response);
    const remove = () => {
      this.#open.delete(response);
      if (this.#open.size === 0) this.#onEmpty?.();
    };
    response.once("finish", remove);
    response.once("close", remove);
  }

  /**
   * A connection has closed. An answer that waits in it behind another one is not told by node:http, so
   * that its request would go on for nobody.
   */
  lost(socket: Socket): void {
    for (const response of this.#open) {
      if (response.socket === null && response.req.socket === socket) response.emit("close");
    }
  }

  /** Resolves when there are none, or after the time: a client need not read. */
  async settled(timeoutMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
    const timeout = new AbortController();
    await Promise.race([empty, delay(timeoutMs, { signal: timeout.signal }).catch(() => {})]);
    timeout.abort();
  }
}
