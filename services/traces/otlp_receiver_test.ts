import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { OtlpError, tracesJsonToProtobuf, WireWriter } from "../../shared/otlp/mod.ts";
import { StoreError, type WriteResult } from "../../shared/trace_store/mod.ts";
import type { ObservedExport } from "../../shared/telemetry/metrics/mod.ts";
import { ByteBudget } from "./byte_budget.ts";
import { createReceiver, type ReceiverOptions } from "./otlp_receiver.ts";

const STORED: WriteResult = { acceptedSpans: 1, rejectedSpans: 0, reason: "" };
const JSON_BODY = JSON.stringify({
  resourceSpans: [{
    scopeSpans: [{ spans: [{ traceId: "1".repeat(32), spanId: "2".repeat(16), name: "x" }] }],
  }],
});

interface Kit {
  readonly send: (body: BodyInit | null, headers?: Record<string, string>) => Promise<Response>;
  readonly written: Uint8Array[];
  readonly outages: (string | null)[];
  readonly exports: ObservedExport[];
}

function kit(
  write: () => Promise<WriteResult> = () => Promise.resolve(STORED),
  options: Partial<ReceiverOptions> = {},
): Kit {
  const written: Uint8Array[] = [];
  const outages: (string | null)[] = [];
  const exports: ObservedExport[] = [];
  const receiver = createReceiver({
    store: {
      write(bytes) {
        written.push(bytes);
        return write();
      },
    },
    maxBodyBytes: 10_000,
    budget: new ByteBudget(15_000),
    bodyTimeoutMs: 5_000,
    onOutage: (message) => outages.push(message),
    onExport: (request) => exports.push(request),
    ...options,
  });
  return {
    send: (body, headers = { "content-type": "application/json" }) =>
      receiver(new Request("http://x/v1/traces", { method: "POST", body, headers })),
    written,
    outages,
    exports,
  };
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function statusAndText(answer: Response): Promise<[number, string]> {
  return [answer.status, await answer.text()];
}

Deno.test("the receiver stores JSON and protobuf, packed and not, as the same bytes", async () => {
  const { send, written } = kit();
  const protobuf = tracesJsonToProtobuf(JSON_BODY);
  const protobufType = { "content-type": "application/x-protobuf" };
  const jsonType = { "content-type": "application/json; charset=utf-8" };
  const packed = { "content-encoding": "gzip" };
  await send(JSON_BODY, jsonType);
  await send(await gzip(new TextEncoder().encode(JSON_BODY)), { ...jsonType, ...packed });
  await send(protobuf, protobufType);
  const answer = await send(await gzip(protobuf), { ...protobufType, ...packed });
  assertEquals(answer.headers.get("content-type"), "application/x-protobuf");
  assertEquals((await answer.bytes()).length, 0);
  assertEquals(written, [protobuf, protobuf, protobuf, protobuf]);
});

Deno.test("the receiver tells of rejected spans as a partial success", async () => {
  const { send } = kit(() =>
    Promise.resolve({ acceptedSpans: 1, rejectedSpans: 2, reason: "no id" })
  );
  assertEquals(await (await send(JSON_BODY)).json(), {
    partialSuccess: { rejectedSpans: "2", errorMessage: "no id" },
  });
  const answer = await send(tracesJsonToProtobuf(JSON_BODY), {
    "content-type": "application/x-protobuf",
  });
  const expected = new WireWriter();
  expected.message(1, () => {
    expected.int64(1, 2n);
    expected.string(2, "no id");
  });
  assertEquals(await answer.bytes(), expected.finish());
});

Deno.test("the receiver refuses a body over the limit, sent or unpacked", async () => {
  const { send, written } = kit();
  const json = { "content-type": "application/json" };
  assertEquals((await send("x".repeat(10_001))).status, 413);
  const bomb = await gzip(new Uint8Array(5_000_000));
  assertEquals(bomb.length < 10_000, true);
  const [status, text] = await statusAndText(
    await send(bomb, { ...json, "content-encoding": "gzip" }),
  );
  assertEquals(status, 413);
  assertStringIncludes(text, "larger than 10000 bytes");
  assertEquals(written, []);
});

Deno.test("the receiver refuses encodings that it cannot read", async () => {
  const { send } = kit();
  const json = { "content-type": "application/json" };
  assertEquals((await send("x", { ...json, "content-encoding": "br" })).status, 415);
  assertEquals((await send("x", { ...json, "content-encoding": "gzip" })).status, 400);
  assertEquals((await send(new Uint8Array([0xff, 0xfe]), json)).status, 400);
});

Deno.test("the receiver asks to wait while too much is being stored, and then stores again", async () => {
  const stored = Promise.withResolvers<WriteResult>();
  const { send } = kit(() => stored.promise);
  const body = `${JSON_BODY}${" ".repeat(9_000)}`;
  const first = send(body);
  const second = await send(body);
  assertEquals(second.status, 429);
  assertEquals(second.headers.get("retry-after"), "1");
  assertEquals((await second.json()).code, 8);
  stored.resolve(STORED);
  assertEquals((await first).status, 200);
  assertEquals((await send(body)).status, 200);
});

Deno.test("the receiver answers 503 while the store fails, and tells of the outage once", async () => {
  let error: Error | null = new StoreError("full", "Cannot store spans: the disk is full");
  let result = STORED;
  const { send, outages } = kit(() =>
    error === null ? Promise.resolve(result) : Promise.reject(error)
  );
  for (let round = 0; round < 2; round++) {
    const answer = await send(JSON_BODY);
    assertEquals([answer.status, answer.headers.get("retry-after")], [503, "10"]);
    assertEquals(await answer.json(), {
      code: 14,
      message: "Cannot store spans: the disk is full",
    });
  }
  error = null;
  result = { acceptedSpans: 0, rejectedSpans: 0, reason: "" };
  assertEquals((await send(JSON_BODY)).status, 503);
  result = { acceptedSpans: 0, rejectedSpans: 1, reason: "no trace id" };
  assertEquals((await send(JSON_BODY)).status, 200);
  assertEquals(outages, ["Cannot store spans: the disk is full"]);
  result = STORED;
  assertEquals((await send(JSON_BODY)).status, 200);
  assertEquals(outages, ["Cannot store spans: the disk is full", null]);
});

Deno.test("the receiver gives up a body that does not come", async () => {
  const { send } = kit(undefined, { bodyTimeoutMs: 50 });
  const stalled = new ReadableStream<Uint8Array>({ start: (c) => c.enqueue(new Uint8Array(1)) });
  assertEquals((await send(stalled)).status, 408);
});

Deno.test("the receiver refuses OTLP that makes no sense with 400 and the place", async () => {
  const { send } = kit(() => Promise.reject(new OtlpError("never asked")));
  const span = (fields: unknown) => ({ resourceSpans: [{ scopeSpans: [{ spans: [fields] }] }] });
  const nested = (depth: number): unknown =>
    depth === 0 ? { stringValue: "x" } : { arrayValue: { values: [nested(depth - 1)] } };
  const cases: [unknown, string][] = [
    [[], "TracesData"],
    [{ resourceSpans: {} }, "resourceSpans"],
    [{ resourceSpans: [1] }, "resourceSpans[0]"],
    [span({ traceId: "zz".repeat(16) }), "traceId: use 32 hex digits"],
    [span({ spanId: "12" }), "spanId: use 16 hex digits"],
    [span({ name: 5 }), "name: use a string, not 5"],
    [span({ kind: "SERVER" }), "kind"],
    [span({ startTimeUnixNano: "-1" }), "startTimeUnixNano"],
    [span({ startTimeUnixNano: "99999999999999999999" }), "startTimeUnixNano"],
    [span({ attributes: [{ key: "a", value: { intValue: 1.5 } }] }), "intValue"],
    [span({ attributes: [{ key: "a", value: { boolValue: "true" } }] }), "boolValue"],
    [span({ attributes: [{ key: "a", value: nested(60) }] }), "nest deeper than 32"],
  ];
  for (const [body, words] of cases) {
    const [status, text] = await statusAndText(await send(JSON.stringify(body)));
    assertEquals(status, 400, text);
    assertStringIncludes(text, words);
  }
});

Deno.test("receiver tells of each request what became of it", async () => {
  let isFull = false;
  const { send, exports } = kit(() =>
    isFull ? Promise.reject(new StoreError("full", "full")) : Promise.resolve(STORED)
  );
  await send(JSON_BODY);
  isFull = true;
  await send(JSON_BODY);
  await send("{");
  await send("x", { "content-type": "text/plain" });
  assertEquals(exports.map(({ status }) => status), [200, 503, 400, 415]);
  assertEquals([exports[0].acceptedSpans, exports[0].bytes > 0], [1, true]);
});
