import { assertEquals } from "@std/assert/mod.js";
import { quietMs, readRunning, RunningRequests, type ShownRequest } from "./running_requests.ts";

/** As the frontend tells it. */
function told(id: string, changes: Record<string, unknown> = {}) {
  return {
    trace_id: `trace ${id}`,
    request_id: id,
    x_request_id: id,
    route: "/v1/chat/completions",
    model: "tiny",
    stream: true,
    stage: "decode",
    prefill_worker_id: "p1",
    decode_worker_id: "d1",
    received_at: "2026-11-26T10:00:00.000Z",
    age_ms: 900,
    input_tokens: 5,
    output_tokens: 2,
    last_token_age_ms: 30,
    waits_for_client: false,
    ttft_ms: 40,
    avg_itl_ms: 10,
    attempts: 1,
    ...changes,
  };
}

function answer(...requests: ReturnType<typeof told>[]) {
  return readRunning({ requests, more: 0 });
}

const NOBODY: ReadonlySet<string> = new Set();

function states(shown: readonly ShownRequest[]) {
  return shown.map(({ request, hasEnded }) => [request.requestId, hasEnded]);
}

Deno.test("readRunning reads what the frontend tells, and leaves open what it does not know yet", () => {
  const early = told("b", {
    model: null,
    prefill_worker_id: null,
    last_token_age_ms: null,
    ttft_ms: null,
    avg_itl_ms: null,
  });
  const { requests: [one, other], more } = readRunning({
    requests: [told("a"), early],
    more: 7,
  });
  assertEquals(one, {
    requestId: "a",
    traceId: "trace a",
    receivedAtMs: Date.UTC(2026, 10, 26, 10),
    ageMs: 900,
    stage: "decode",
    model: "tiny",
    inputTokens: 5,
    outputTokens: 2,
    lastTokenAgeMs: 30,
    ttftMs: 40,
    averageItlMs: 10,
    waitsForClient: false,
    attempts: 1,
    workerIds: ["p1", "d1"],
  });
  assertEquals([other?.model, other?.workerIds, more], ["", ["d1"], 7]);
  assertEquals([other?.lastTokenAgeMs, other?.ttftMs, other?.averageItlMs], [NaN, NaN, NaN]);
  assertEquals(readRunning("<html>"), { requests: [], more: 0 });
});

Deno.test("RunningRequests keeps one that has ended until its trace has come, or for ten seconds", () => {
  const running = new RunningRequests();
  const early = { received_at: "2026-11-26T09:59:59.000Z" };
  running.update(answer(told("a"), told("b"), told("c", early)), 0);
  assertEquals(states(running.without(NOBODY)), [["c", false], ["a", false], ["b", false]]);
  running.update(answer(told("a")), 1_000);
  assertEquals(states(running.without(NOBODY)), [["c", true], ["a", false], ["b", true]]);
  assertEquals(states(running.without(new Set(["b"]))), [["c", true], ["a", false]]);
  running.update(answer(told("a")), 11_000);
  assertEquals(states(running.without(new Set(["b"]))), [["c", true], ["a", false]]);
  running.update(answer(told("a")), 11_001);
  assertEquals(states(running.without(NOBODY)), [["a", false]]);
  running.clear();
  assertEquals(running.without(NOBODY), []);
});

Deno.test("quietMs is the time without a token where that is long and not the client's doing", () => {
  const quiet = (changes: Record<string, unknown>) => {
    const [request] = answer(told("a", changes)).requests;
    return request === undefined ? undefined : quietMs(request);
  };
  assertEquals(quiet({ age_ms: 60_000, last_token_age_ms: 4_999 }), null);
  assertEquals(quiet({ age_ms: 60_000, last_token_age_ms: 5_000 }), 5_000);
  assertEquals(quiet({ age_ms: 60_000, last_token_age_ms: null }), 60_000);
  assertEquals(quiet({ age_ms: 4_000, last_token_age_ms: null }), null);
  assertEquals(quiet({ last_token_age_ms: 5_000, waits_for_client: true }), null);
});
