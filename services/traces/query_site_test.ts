import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { createQuerySite } from "./query_site.ts";

const ID = "4bf92f3577b34da6a3ce929d0e0e4736";

function siteWith(logFolder: string) {
  return createQuerySite({
    hostname: "127.0.0.1",
    api: ({ url }) => new Response(`api ${new URL(url).pathname}`),
    receive: () => new Response("received"),
    metrics: (accept) => Promise.resolve({ body: `metrics ${accept}`, contentType: "text/plain" }),
    frontendUrl: "http://127.0.0.1:1",
    logFolder,
  });
}

function request(path: string, headers: Record<string, string> = {}): Request {
  return new Request(`http://127.0.0.1:3200${path}`, { headers });
}

Deno.test("query site leads each path to whoever answers it", async () => {
  const site = siteWith("off");
  assertEquals(await (await site(request("/api/search"))).text(), "api /api/search");
  assertEquals(await (await site(request("/v1/traces"))).text(), "received");
  const metrics = await site(request("/metrics", { accept: "text/plain" }));
  assertEquals(await metrics.text(), "metrics text/plain");
  assertStringIncludes(await (await site(request("/"))).text(), "<title>Baton</title>");
});

Deno.test("query site refuses a name of elsewhere on every path", async () => {
  const site = siteWith("off");
  for (
    const path of [
      "/",
      "/metrics",
      "/api/search",
      "/v1/traces",
      `/logs/${ID}`,
      "/frontend/v1/models",
    ]
  ) {
    const answer = await site(request(path, { host: "evil.example:3200" }));
    assertEquals(answer.status, 403, path);
    await answer.body?.cancel();
  }
});

Deno.test("query site gives the logs of a trace, and says what is no trace id", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const record = { time: "2026-11-25T10:00:00.000000Z", message: "hello", trace_id: ID };
    await Deno.writeTextFile(join(folder, "decode.jsonl"), `${JSON.stringify(record)}\n`);
    const site = siteWith(folder);
    const found = await site(request(`/logs/${ID}`));
    assertEquals(await found.json(), { lines: [{ service: "decode", fields: record }], note: "" });
    for (const path of ["/logs/", "/logs/..%2Fdecode", `/logs/${ID.slice(1)}`]) {
      const answer = await site(request(path));
      assertEquals(answer.status, 400, path);
      assertStringIncludes(await answer.text(), "32 hex digits");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
