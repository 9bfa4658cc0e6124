import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { createSpanForwarder, createTempoProxy } from "./tempo_proxy.ts";
import { FAKE_TEMPO_TRACE, startFakeTempo } from "./testing/fake_tempo.ts";

const TIMEOUT_MS = 5_000;

Deno.test("createTempoProxy passes queries on with its credentials, below Tempo's own path", async () => {
  await using tempo = startFakeTempo();
  const proxy = createTempoProxy({
    url: `${tempo.url}/`,
    headers: tempo.headers,
    timeoutMs: TIMEOUT_MS,
  });
  const q = encodeURIComponent(`{ name = "a" } | select(span.b)`);
  const answer = await proxy(new Request(`http://127.0.0.1:3200/api/search?q=${q}&limit=3`));
  assertEquals(answer.status, 200);
  assertEquals(answer.headers.get("content-type"), "application/json");
  const { traces } = await answer.json();
  assertEquals(traces[0].traceID, FAKE_TEMPO_TRACE);
  assertEquals(tempo.asked, [`/tempo/api/search?q=${q}&limit=3`]);
});

Deno.test("createTempoProxy passes on Tempo's own words of what it refuses", async () => {
  await using tempo = startFakeTempo();
  const proxy = createTempoProxy({ url: tempo.url, headers: tempo.headers, timeoutMs: TIMEOUT_MS });
  const answer = await proxy(new Request("http://x/api/search?q=%7B%20nonsense"));
  assertEquals(answer.status, 400);
  assertEquals(await answer.text(), "invalid TraceQL query: parse error at line 1, col 3");
});

Deno.test("createTempoProxy says which variable is wrong when Tempo is away or refuses it", async () => {
  await using tempo = startFakeTempo();
  const request = () => new Request("http://x/api/search?q=%7B%7D");
  const refused = createTempoProxy({ url: tempo.url, headers: {}, timeoutMs: TIMEOUT_MS });
  const unauthorized = await refused(request());
  assertEquals(unauthorized.status, 502);
  assertStringIncludes(await unauthorized.text(), "TEMPO_QUERY_HEADERS");
  const away = createTempoProxy({ url: "http://127.0.0.1:1", headers: {}, timeoutMs: TIMEOUT_MS });
  const unreachable = await away(request());
  assertEquals(unreachable.status, 502);
  assertStringIncludes(await unreachable.text(), "Cannot reach Tempo at http://127.0.0.1:1");
});

Deno.test("createTempoProxy passes on queries and nothing else", async () => {
  await using tempo = startFakeTempo();
  const proxy = createTempoProxy({ url: tempo.url, headers: tempo.headers, timeoutMs: TIMEOUT_MS });
  assertEquals((await proxy(new Request("http://x/status/config"))).status, 404);
  assertEquals((await proxy(new Request("http://x/api/search", { method: "POST" }))).status, 405);
  assertEquals((await proxy(new Request("http://x/ready"))).status, 200);
  assertEquals(tempo.asked, []);
});

Deno.test("createSpanForwarder sends the page's spans to where the others go", async () => {
  await using tempo = startFakeTempo();
  const url = tempo.url.replace("/tempo", "/otlp/v1/traces");
  const forward = createSpanForwarder({ url, headers: tempo.headers, timeoutMs: TIMEOUT_MS });
  const body = { resourceSpans: [] };
  const answer = await forward(
    new Request("http://x/v1/traces", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
  assertEquals([answer.status, await answer.json()], [200, { partialSuccess: {} }]);
  assertEquals(tempo.spans, [body]);
  assertEquals((await forward(new Request("http://x/v1/traces"))).status, 405);
});
