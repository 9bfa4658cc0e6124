/**
 * Serves the query port over node:http, for the same reason as the frontend: a reader of the page who
 * leaves before the answer began must stop the work (docs/design/2026-11-http-server.md).
 */

import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { listenHttp } from "../../shared/process/node_http_server.ts";

/** Time that the running requests have to end by themselves. */
const GRACE_MS = 2_000;

export interface QueryServerOptions {
  readonly hostname: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface QueryServer {
  readonly port: number;
  /** Takes no more requests; resolves when the running ones are answered or cut off. */
  shutdown(): Promise<void>;
}

/** Rejects with an Error that says what to change when the address cannot be had. */
export async function serveQueries(
  handler: (request: Request) => Response | Promise<Response>,
  { hostname, port }: QueryServerOptions,
): Promise<QueryServer> {
  const server = createServer(getRequestListener(handler, { overrideGlobalObjects: false }));
  const listeningPort = await listenHttp(server, {
    hostname,
    port,
    settings: "DYN_TRACES_HOST or DYN_TRACES_QUERY_PORT",
  });
  return {
    port: listeningPort,
    async shutdown() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}
