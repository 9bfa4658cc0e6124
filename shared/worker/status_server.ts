/** A worker's `/health`, `/live` and `/metrics`. */

import { Hono } from "hono";

export interface WorkerStatus {
  readonly status: "starting" | "ready" | "draining" | "failed";
  readonly details: Readonly<Record<string, unknown>>;
}

export interface StatusServer extends AsyncDisposable {
  readonly port: number;
}

/** The routes, for tests without a socket. `/health` is 200 only while the worker takes requests. */
export function statusApp(
  status: () => WorkerStatus,
  renderMetrics: (accept: string) => Promise<{ body: string; contentType: string }>,
): Hono {
  const app = new Hono();
  app.get("/live", (c) => c.json({ status: "live" }, status().status === "failed" ? 503 : 200));
  app.get("/health", (c) => {
    const { status: state, details } = status();
    return c.json({ status: state, ...details }, state === "ready" ? 200 : 503);
  });
  app.get("/metrics", async (c) => {
    const { body, contentType } = await renderMetrics(c.req.header("accept") ?? "");
    return c.body(body, 200, { "content-type": contentType });
  });
  return app;
}

/** Serves `app`. Throws Deno.errors.AddrInUse when the port is taken. */
export function serveStatus(app: Hono, options: { hostname: string; port: number }): StatusServer {
  const server = Deno.serve({ ...options, onListen: () => {} }, app.fetch);
  return {
    port: (server.addr as Deno.NetAddr).port,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
