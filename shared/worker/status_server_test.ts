import { assertEquals } from "@std/assert/mod.js";
import { statusApp, type WorkerStatus } from "./status_server.ts";

Deno.test("statusApp() answers 200 on /health only while the worker takes requests", async () => {
  for (
    const [status, health, live] of [
      ["starting", 503, 200],
      ["ready", 200, 200],
      ["disconnected", 503, 200],
      ["draining", 503, 200],
      ["failed", 503, 503],
    ] as const
  ) {
    const now: WorkerStatus = { status, details: { model: "m" } };
    const app = statusApp(
      () => now,
      () => Promise.resolve({ body: "", contentType: "text/plain" }),
    );
    const response = await app.request("/health");
    assertEquals([response.status, (await app.request("/live")).status], [health, live], status);
    assertEquals(await response.json(), { status, model: "m" });
  }
});

Deno.test("statusApp() renders metrics in the form that the client accepts", async () => {
  const app = statusApp(
    () => ({ status: "ready", details: {} }),
    (accept) => Promise.resolve({ body: `for ${accept}`, contentType: "text/plain" }),
  );
  const response = await app.request("/metrics", { headers: { accept: "a/b" } });
  assertEquals([await response.text(), response.headers.get("content-type")], [
    "for a/b",
    "text/plain",
  ]);
});
