/** A worker's `/health`, `/live` and `/metrics`. */

import { Hono } from "hono";

export interface WorkerStatus {
  /** `disconnected`: ready, and cut off from NATS; `stuck`: ready, and a step does not end. */
  readonly status: "starting" | "ready" | "disconnected" | "stuck" | "draining" | "failed";
  readonly details: Readonly<Record<string, unknown>>;
}

/** The routes. `/health` is 200 only while the worker takes requests. */
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
