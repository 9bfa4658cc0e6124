import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { findInLogs } from "./find_in_logs.ts";
import type { LogSource } from "./log_source.ts";
import { parseQuery } from "./request_query.ts";

/** Trace ids by a digit. */
const traceOf = (digit: string) => digit.repeat(32);

function line(spanName: string, traceId: string, more: Record<string, unknown>): string {
  return JSON.stringify({
    time: "2026-11-24T17:23:49.000000Z",
    message: "SPAN_CLOSED",
    span_id: "00000000000000aa",
    span_name: spanName,
    "time.start_us": 1_000_000,
    "time.duration_us": 10,
    trace_id: traceId,
    ...more,
  });
}

function request(digit: string, startUs: number, more: Record<string, unknown> = {}): string {
  return line("http-request", traceOf(digit), { "time.start_us": startUs, ...more });
}

function source(name: string, ...lines: string[]): LogSource {
  return {
    name,
    async *lines() {
      yield* lines;
    },
  };
}

const WORKER_SPAN = { span_id: "00000000000000bb", parent_id: "00000000000000aa" };
const SOURCES = [
  source(
    "frontend",
    "[WRN] not JSON",
    request("1", 1_000, { x_request_id: "early", "time.duration_us": 900 }),
    request("2", 2_000, { x_request_id: "twice", request_id: "r-2" }),
    request("3", 3_000, { x_request_id: "twice" }),
    request("4", 4_000, { message: "SPAN_FIRST_ENTRY", x_request_id: "running" }),
  ),
  source("prefill", line("handle_payload", traceOf("1"), WORKER_SPAN)),
];

async function found(query: string, sources = SOURCES) {
  const { spans, notes } = await findInLogs(parseQuery(query), sources);
  return {
    spans: spans.map(({ name, service }) => `${name} [${service}]`),
    notes,
    spans0: spans[0],
  };
}

async function traceFound(query: string): Promise<string | undefined> {
  return (await found(query)).spans0?.traceId;
}

Deno.test("findInLogs takes a trace's spans from all sources", async () => {
  const { spans, notes } = await found(traceOf("1"));
  assertEquals(spans, ["http-request [frontend]", "handle_payload [prefill]"]);
  assertEquals(notes, []);
});

Deno.test("findInLogs finds the last and the slowest of the requests that ended", async () => {
  assertEquals(await traceFound("last"), traceOf("3"));
  assertEquals(await traceFound("slow"), traceOf("1"));
});

Deno.test("findInLogs finds a request by its ids and the first digits of its trace", async () => {
  assertEquals(await traceFound("early"), traceOf("1"));
  assertEquals(await traceFound("chatcmpl-r-2"), traceOf("2"));
  assertEquals(await traceFound("33333333"), traceOf("3"));
  assertEquals(await traceFound("running"), traceOf("4"));
});

Deno.test("findInLogs takes the last of several requests with one id and says so", async () => {
  const { spans0, notes } = await found("twice");
  assertEquals(spans0?.traceId, traceOf("3"));
  assertEquals(notes, ["2 requests match twice: this is the last"]);
});

Deno.test("findInLogs counts span lines that are cut off, though their trace id is gone", async () => {
  const cut = line("engine.prefill", traceOf("1"), WORKER_SPAN).slice(0, 90);
  const { notes } = await found("early", [...SOURCES, source("prefill", cut)]);
  assertEquals(notes, ["Span lines that are cut off or damaged, and left out: 1 in prefill"]);
});

Deno.test("findInLogs says what is missing when it finds nothing", async () => {
  const failure = async (query: string, sources: LogSource[]) =>
    (await assertRejects(() => found(query, sources), Error)).message;
  assertStringIncludes(await failure("last", []), "the logs tell of no request");
  assertStringIncludes(await failure("nobody", SOURCES), "none of the 4 requests");
  assertStringIncludes(await failure(traceOf("9"), SOURCES), "none of the 4 requests");
});
