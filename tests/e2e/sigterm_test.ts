/** SIGTERM right after a response, and in the middle of one: every span and log line of both arrives. */

import { assert, assertEquals, assertMatch } from "@std/assert/mod.js";
import { SpanCollection } from "../../shared/trace_view/span_collection.ts";
import { startOtlpSink } from "../kit/otlp_sink.ts";
import { denoRun, Program } from "../kit/program.ts";
import { Stack } from "../kit/stack.ts";
import { traceFaults } from "../kit/trace_faults.ts";

const QUEUED_SPANS = 5000;
/** What telemetry_process.ts allows itself. */
const DRAIN_MS = 30_000;
const SERVICES = ["baton-decode", "baton-frontend", "baton-prefill"];

async function stream(stack: Stack, maxTokens: number): Promise<Response> {
  return await stack.post("completions", {
    model: "simulated",
    prompt: "Once upon a time",
    max_tokens: maxTokens,
    temperature: 0,
    stream: true,
  });
}

function traceIdOf(response: Response): string {
  return response.headers.get("traceparent")?.split("-")[1] ?? "";
}

/** What was exported of a trace is one whole tree, and the log has the same spans and all end records. */
function assertWhole(stack: Stack, traceId: string): void {
  const exported = stack.sink.spans().filter((span) => span.traceId === traceId);
  assertEquals(traceFaults(exported), []);
  assertEquals(
    exported.filter(({ name }) => name === "http-request" || name === "handle_payload")
      .map(({ service }) => service).sort(),
    SERVICES,
  );
  const collection = new SpanCollection();
  for (const line of stack.errorLines) collection.addLine(line, "stderr");
  const logged = collection.spans.filter((span) => span.traceId === traceId);
  assertEquals(logged.filter(({ endUs }) => endUs === null).map(({ name }) => name), []);
  assertEquals(
    logged.map(({ spanId }) => spanId).sort(),
    exported.map(({ spanId }) => spanId).sort(),
  );
  const ended = stack.logs.filter((line) =>
    line.trace_id === traceId && line.message === "request completed"
  );
  assertEquals(ended.map(({ target }) => target).sort(), SERVICES);
}

Deno.test("SIGTERM after one response and during another loses no span and no line of either", async () => {
  await using stack = await Stack.start({
    env: {
      DYN_ENGINE: "simulated",
      DYN_SIM_STEP_US: "5000",
      DYN_SIM_ANSWER_TOKENS: "0",
      DYN_LOGGING_SPAN_EVENTS: "1",
      // Nothing leaves before the drain.
      OTEL_BSP_SCHEDULE_DELAY: "600000",
      DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS: "30000",
    },
  });
  const running = await stream(stack, 200);
  const reader = running.body!.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  const answered = await stream(stack, 8);
  assertMatch(await answered.text(), /\[DONE\]/);
  const stopped = stack.stop("SIGTERM");
  let rest = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) rest += next.value;
  assertMatch(rest, /"finish_reason":"length"[^]*\[DONE\]/);
  assertEquals(await stopped, 0);
  for (const response of [answered, running]) assertWhole(stack, traceIdOf(response));
});

Deno.test("SIGTERM with 5,000 spans queued delivers them all within the drain time", async () => {
  await using sink = startOtlpSink();
  const args = [sink.tracesUrl, "queue", String(QUEUED_SPANS)];
  await using child = new Program(denoRun("tests/kit/telemetry_process.ts", ...args));
  await child.waitForOutput(/^queued$/m);
  assertEquals(sink.spans(), []);
  const startMs = performance.now();
  child.signal("SIGTERM");
  assertEquals((await child.end()).code, 0);
  const tookMs = performance.now() - startMs;
  assertEquals(sink.spans().length, QUEUED_SPANS);
  assert(tookMs < DRAIN_MS, `it took ${tookMs} ms`);
});
