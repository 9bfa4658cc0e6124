import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { createSpanForwarder, createTempoProxy } from "./tempo_proxy.ts";
import { FAKE_TEMPO_TRACE, type FakeTempo, startFakeTempo } from "./testing/fake_tempo.ts";

const TIMEOUT_MS = 5_000;

function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

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
});

Deno.test("createTempoProxy tells the page neither Tempo's address nor its credentials", async () => {
  const port = closedPort();
  const away = createTempoProxy({
    url: `http://reader:hunter22@127.0.0.1:${port}`,
    headers: { authorization: "Basic c2VjcmV0OmtleQ==" },
    timeoutMs: TIMEOUT_MS,
  });
  const answer = await away(new Request("http://x/api/search?q=%7B%7D"));
  const text = await answer.text();
  assertEquals(answer.status, 502);
  assertStringIncludes(text, "Cannot reach Tempo: ");
  assertStringIncludes(text, "TEMPO_QUERY_URL");
  for (const secret of ["reader", "hunter22", String(port), "c2VjcmV0"]) {
    assertEquals(text.includes(secret), false, text);
  }
});

Deno.test("createTempoProxy passes on queries and nothing else", async () => {
  await using tempo = startFakeTempo();
  const proxy = createTempoProxy({ url: tempo.url, headers: tempo.headers, timeoutMs: TIMEOUT_MS });
  assertEquals((await proxy(new Request("http://x/status/config"))).status, 404);
  assertEquals((await proxy(new Request("http://x/api/search", { method: "POST" }))).status, 405);
  for (const path of ["/api/..%2Fadmin", "/api/a/..%5C..%5Cadmin", "/api/%2e%2e/admin"]) {
    assertEquals((await proxy(new Request(`http://x${path}`))).status, 404, path);
  }
  assertEquals((await proxy(new Request("http://x/ready"))).status, 200);
  assertEquals(tempo.asked, []);
});

function forwarderTo(tempo: FakeTempo) {
  return createSpanForwarder({
    url: tempo.url.replace("/tempo", "/otlp/v1/traces"),
    headers: tempo.headers,
    tls: {},
    timeoutMs: TIMEOUT_MS,
    maxBodyBytes: 1000,
    maxInflightBytes: 1000,
  });
}

function exportRequest(body: BodyInit, headers: Record<string, string>): Request {
  return new Request("http://x/v1/traces", { method: "POST", headers, body });
}

Deno.test("createSpanForwarder sends the page's spans to where the others go", async () => {
  await using tempo = startFakeTempo();
  const forward = forwarderTo(tempo);
  const body = { resourceSpans: [] };
  const json = { "content-type": "application/json" };
  const answer = await forward(exportRequest(JSON.stringify(body), json));
  assertEquals([answer.status, await answer.json()], [200, { partialSuccess: {} }]);
  const packed = new Blob([JSON.stringify(body)]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  const bytes = await new Response(packed).bytes();
  const unpacked = await forward(exportRequest(bytes, { ...json, "content-encoding": "gzip" }));
  assertEquals([unpacked.status, await unpacked.json()], [200, { partialSuccess: {} }]);
  assertEquals(tempo.spans, [body, body]);
});

Deno.test("createSpanForwarder takes no other body, and none that is too large", async () => {
  await using tempo = startFakeTempo();
  const forward = forwarderTo(tempo);
  const statusOf = async (request: Request) => (await forward(request)).status;
  assertEquals(await statusOf(new Request("http://x/v1/traces")), 405);
  assertEquals(await statusOf(exportRequest("{}", { "content-type": "text/plain" })), 415);
  const large = exportRequest(" ".repeat(1001), { "content-type": "application/json" });
  assertEquals(await statusOf(large), 413);
  assertEquals(tempo.asked, []);
});
