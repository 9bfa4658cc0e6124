/** `deno task trace` on the logs of a real stack, beside what the same requests exported. */

import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { SpanCollection } from "../../shared/trace_view/span_collection.ts";
import type { ViewSpan } from "../../shared/trace_view/span.ts";
import type { SinkSpan } from "../kit/otlp_sink.ts";
import { denoRun, runProgram } from "../kit/program.ts";
import { Stack } from "../kit/stack.ts";
import { eventually } from "../kit/waits.ts";

const MODEL = "stories15m";
/** Of a streamed request with one prefill and one decode worker, at level 1. */
const SPAN_COUNT = 18;

let logDir: string;
let stack: Stack;

Deno.test.beforeAll(async () => {
  logDir = await Deno.makeTempDir();
  stack = await Stack.start({ model: MODEL, env: { DYN_LOG_DIR: logDir } });
});

Deno.test.afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  await Deno.remove(logDir, { recursive: true });
});

/**
 * Sends a streamed request; resolves with its trace id when all of its spans were exported, and are in
 * the logs.
 */
async function complete(xRequestId: string, maxTokens = 8): Promise<string> {
  const body = {
    model: MODEL,
    prompt: "Once upon a time",
    max_tokens: maxTokens,
    temperature: 0,
    stream: true,
  };
  const response = await stack.post("completions", body, {
    headers: { "x-request-id": xRequestId },
  });
  await response.text();
  const traceId = response.headers.get("traceparent")!.split("-")[1]!;
  await stack.sink.waitForTrace(traceId, (spans) => {
    const ids = new Set(spans.map(({ spanId }) => spanId));
    return spans.length === SPAN_COUNT && spans.some(({ name }) => name === "http-request") &&
      spans.every(({ parentSpanId: id }) => id === undefined || ids.has(id));
  });
  await eventually(async () => {
    const logged = await loggedSpans(traceId);
    return logged.length === SPAN_COUNT && logged.every(({ endUs }) => endUs !== null);
  });
  return traceId;
}

async function trace(
  args: readonly string[],
  input = "",
): Promise<{ code: number; text: string; errors: string }> {
  const { code, output, errors } = await runProgram(denoRun("services/trace/main.ts", ...args), {
    env: { DYN_LOG_DIR: logDir, COLUMNS: "100" },
    input: new TextEncoder().encode(input),
  });
  return { code, text: output, errors };
}

async function allLogLines(): Promise<string> {
  const entries = await Array.fromAsync(Deno.readDir(logDir));
  const texts = entries.map(({ name }) => Deno.readTextFile(join(logDir, name)));
  return (await Promise.all(texts)).join("");
}

async function loggedSpans(traceId: string): Promise<ViewSpan[]> {
  const collection = new SpanCollection();
  for (const line of (await allLogLines()).split("\n")) collection.addLine(line, "file");
  return collection.spans.filter((span) => span.traceId === traceId);
}

/** What both ways must agree on, apart from the times. */
function facts(span: ViewSpan | SinkSpan): Record<string, unknown> {
  const isFromSink = "hasError" in span;
  return {
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? "",
    name: span.name,
    kind: span.kind.toLowerCase(),
    service: span.service,
    instance: isFromSink ? span.resource["service.instance.id"] : span.instance,
    host: isFromSink ? span.resource["host.name"] : span.host,
    hasError: isFromSink ? span.hasError : span.status === "error",
    statusMessage: span.statusMessage,
    attributes: Object.fromEntries(
      Object.entries(span.attributes).sort(([a], [b]) => a < b ? -1 : 1),
    ),
    links: span.links.map(({ traceId, spanId }) => ({ traceId, spanId })),
    events: span.events.map(({ name, attributes }) => ({ name, attributes: { ...attributes } })),
  };
}

Deno.test("the tree from the log lines of a request is the one that it exported", async () => {
  const traceId = await complete("compared");
  const logged = (await loggedSpans(traceId)).sort((a, b) => a.spanId < b.spanId ? -1 : 1);
  const exported = stack.sink.spans().filter((span) => span.traceId === traceId)
    .toSorted((a, b) => a.spanId < b.spanId ? -1 : 1);
  assertEquals(logged.length, SPAN_COUNT);
  assertEquals(logged.map(facts), exported.map(facts));
  const micros = (ns: bigint) => Number(ns) / 1000;
  logged.forEach((span, index) => {
    const { startNs, endNs, events } = exported[index]!;
    assertAlmostEquals(span.startUs, micros(startNs), 1.5, span.name);
    assertAlmostEquals(span.endUs!, micros(endNs), 1.5, span.name);
    events.forEach(({ timeNs }, at) =>
      assertAlmostEquals(span.events[at]!.timeUs, micros(timeNs), 1.5, span.name)
    );
  });
});

Deno.test("trace draws a request with nothing configured but the folder", async () => {
  const traceId = await complete("drawn");
  const { code, text, errors } = await trace(["last"]);
  assertEquals([code, errors], [0, ""]);
  const [head = ""] = text.split("\n");
  assertStringIncludes(head, traceId);
  for (
    const row of [
      /^[* ] http-request +baton-frontend /m,
      /kv\.receive +baton-decode +█+/m,
      /engine\.prefill +baton-prefill +█+/m,
      /engine\.decode +baton-decode +█+/m,
      /^Path +\S/m,
      /^(?:Events)? +first_token at /m,
    ]
  ) assert(row.test(text), `${row} in\n${text}`);
  assert(!/^Note/m.test(text), text);
  for (const request of ["drawn", traceId, traceId.slice(0, 8)]) {
    assertEquals((await trace([request])).text, text, request);
  }
});

Deno.test("trace reads interleaved services from standard input", async () => {
  const traceId = await complete("piped");
  const lines = (await allLogLines()).split("\n").toSorted();
  const { text } = await trace(["piped", "--logs", "-", "--json"], lines.join("\n"));
  const json = JSON.parse(text);
  assertEquals(json.trace_id, traceId);
  assertEquals(json.notes, []);
  assertEquals(
    json.spans.length,
    stack.sink.spans().filter((span) => span.traceId === traceId).length,
  );
});

Deno.test("trace says which part of a request is missing where a log is", async () => {
  await complete("partial");
  const { code, text } = await trace([
    "partial",
    "--logs",
    join(logDir, "frontend.jsonl"),
    join(logDir, "decode.jsonl"),
  ]);
  assertEquals(code, 0);
  assertStringIncludes(text, "(missing span)");
  assert(/^Note +Span [0-9a-f]{16} is not there, the parent of kv\.receive/m.test(text), text);
});

Deno.test("trace diff says what grew between two requests", async () => {
  await complete("short", 4);
  await complete("long", 240);
  const { code, text } = await trace(["diff", "short", "long"]);
  assertEquals(code, 0);
  assert(/engine\.decode \[baton-decode\] .*\+\d/m.test(text), text);
  assert(/^In all +B took .* more than A/m.test(text), text);
});

Deno.test("trace writes an HTML file of a request", async () => {
  await complete("as-html");
  const path = join(logDir, "trace.html");
  assertEquals((await trace(["as-html", "--html", path])).text, `Wrote ${path}\n`);
  const html = await Deno.readTextFile(path);
  assertStringIncludes(html, "<!doctype html>");
  assertStringIncludes(html, "engine.decode");
});

Deno.test("trace tail tells the requests of a stream of lines", async () => {
  await complete("tailed");
  const { code, text } = await trace(["tail", "--logs", "-"], await allLogLines());
  assertEquals(code, 0);
  assert(/success 200 .* prefill .*, kv .*, decode .* tailed$/m.test(text), text);
});

Deno.test("trace names what it cannot find, with code 1, and wrong words with code 2", async () => {
  const unknown = await trace(["nobody"]);
  assertEquals([unknown.code, unknown.text], [1, ""]);
  assertStringIncludes(unknown.errors, "Cannot find request nobody");
  const wrong = await trace(["--colour"]);
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.errors, "see --help");
});
