import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { startOtlpSink } from "../../../tests/kit/otlp_sink.ts";
import { encodeFailure } from "../../../shared/otlp/mod.ts";
import { askCollector, type CollectorTarget } from "./collector_probe.ts";

function target(port: number, overrides: Partial<CollectorTarget> = {}): CollectorTarget {
  return {
    tracesUrl: `http://127.0.0.1:${port}/v1/traces`,
    exportHeaders: {},
    exportTls: {},
    exportProtocol: "http/protobuf",
    ...overrides,
  };
}

Deno.test("askCollector sends an export without spans, in either encoding and with the headers", async () => {
  await using sink = startOtlpSink();
  for (const exportProtocol of ["http/protobuf", "http/json"] as const) {
    const exportHeaders = { "x-key": "k" };
    const answer = await askCollector(target(sink.port, { exportProtocol, exportHeaders }));
    assertEquals(answer, { kind: "takes" });
  }
  assertEquals(sink.exports().map(({ headers }) => headers.get("x-key")), ["k", "k"]);
  assertEquals(sink.spans(), []);
});

Deno.test("askCollector trusts whom the exporter trusts", async () => {
  const [ca = "", cert = "", key = ""] = await Promise.all(
    ["ca", "server", "server_key"].map((name) =>
      Deno.readTextFile(new URL(`../../../tests/kit/tls/${name}.pem`, import.meta.url))
    ),
  );
  await using sink = startOtlpSink({ tls: { cert, key } });
  const { tracesUrl } = sink;
  const unknown = await askCollector(target(sink.port, { tracesUrl }));
  assertEquals(unknown, {
    kind: "unreachable",
    reason: "the authority that signed its certificate is not trusted here",
  });
  const plain = tracesUrl.replace("https:", "http:");
  assertEquals(await askCollector(target(sink.port, { tracesUrl: plain })), {
    kind: "unreachable",
    reason: "it does not speak plain HTTP; where it wants TLS, use https://",
  });
  const known = await askCollector(target(sink.port, { tracesUrl, exportTls: { ca } }));
  assertEquals(known, { kind: "takes" });
});

Deno.test("askCollector tells a port of plain HTTP from one of TLS", async () => {
  await using sink = startOtlpSink();
  const tracesUrl = sink.tracesUrl.replace("http:", "https:");
  assertEquals(await askCollector(target(sink.port, { tracesUrl })), {
    kind: "unreachable",
    reason: "it does not speak TLS; use http://",
  });
});

Deno.test("askCollector tells a refusal with its status and words", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("no such path\n", { status: 404 }),
  );
  const answer = await askCollector(target(server.addr.port));
  assertEquals(answer, { kind: "refuses", status: 404, words: "no such path" });
});

Deno.test("askCollector reads the message of a refusal in protobuf", async () => {
  const words = `Cannot store spans: the disk is full; free some space${" or move".repeat(20)}`;
  const body = encodeFailure("protobuf", { code: 14, message: words });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(body, { status: 503 }),
  );
  const answer = await askCollector(target(server.addr.port));
  assertEquals(answer, { kind: "refuses", status: 503, words });
});

Deno.test("askCollector tells HTTP/2 alone, as on a gRPC port, from HTTP/1.1 and from silence", async () => {
  const server = createHttp2Server();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  assertEquals(await askCollector(target(port)), { kind: "speaks_grpc" });
  await new Promise((resolve) => server.close(resolve));
  const gone = await askCollector(target(port));
  assertEquals(gone.kind, "unreachable");
  assertStringIncludes(gone.kind === "unreachable" ? gone.reason : "", "refused");
});

Deno.test("askCollector takes a server that closes at once for one that does not answer", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closing = (async () => {
    for await (const connection of listener) connection.close();
  })();
  const answer = await askCollector(target(listener.addr.port));
  assertEquals(answer.kind, "unreachable");
  listener.close();
  await closing;
});
