/** Serves a frontend over HTTP and drains it. Deno sets TCP_NODELAY: each token leaves at once. */

import type { Frontend } from "./frontend.ts";

export interface ServerOptions {
  readonly hostname: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface FrontendServer {
  readonly port: number;
  /**
   * New requests get 503 and `/health` says so; running ones end by themselves within the time, and
   * with an error after it. Resolves when the last byte was written and the port is closed.
   */
  drain(timeoutMs: number): Promise<void>;
}

/** Throws Deno.errors.AddrInUse when the port is taken. */
export function serveFrontend(frontend: Frontend, options: ServerOptions): FrontendServer {
  const server = Deno.serve({ ...options, onListen: () => {} }, frontend.app.fetch);
  return {
    port: server.addr.port,
    async drain(timeoutMs) {
      await frontend.admission.drain(timeoutMs);
      await server.shutdown();
    },
  };
}
