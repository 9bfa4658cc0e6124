import { assertEquals } from "@std/assert/mod.js";
import { quietMs, readRunning, RunningRequests } from "./running_requests.ts";

/** As the frontend tells it. */
function told(id: string, changes: Record<string, unknown> = {}) {
  return {
    trace_id: `trace ${id}`,
    request_id: id,
    x_request_id: id,
    sampled: true,
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

/** Who is shown, an ended one with a dot; `arrived` are those whose traces have come. */
function shown(running: RunningRequests, arrived: readonly string[] = []): string {
  return running.choose({ arrivedIds: new Set(arrived), isWanted: () => true }).shown
    .map(({ request, hasEnded }) => `${request.requestId}${hasEnded ? "." : ""}`).join(" ");
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
    isSampled: true,
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

Deno.test("RunningRequests keeps one that has ended until its trace has come, or for a minute", () => {
  const running = new RunningRequests();
  const unsampled = { sampled: false };
  running.update(answer(told("a"), told("b"), told("c"), told("d", unsampled)), 0);
  assertEquals(shown(running), "a b c d");
  running.update(answer(told("b")), 1_000);
  assertEquals(shown(running), "b a. c.");
  assertEquals(shown(running, ["a"]), "b c.");
  running.arrived(new Set(["a", "b"]));
  assertEquals(shown(running), "b c.");
  running.update(answer(told("b")), 61_000);
  assertEquals(shown(running), "b c.");
  running.update(answer(), 61_001);
  assertEquals(shown(running), "b.");
  running.clear();
  assertEquals(shown(running), "");
});

Deno.test("RunningRequests shows those without a token first, a few of many, and those that are wanted", () => {
  const running = new RunningRequests();
  const names = Array.from({ length: 24 }, (_, index) => `r${index}`);
  const quiet = told("quiet", { last_token_age_ms: 6_000 });
  const all = [...names.map((name) => told(name)), quiet];
  running.update(readRunning({ requests: all, more: 7 }), 0);
  const isWanted = (): boolean => true;
  const { shown: first, more } = running.choose({ arrivedIds: new Set(), isWanted });
  assertEquals(
    first.map(({ request }) => request.requestId),
    ["quiet", ...names.slice(0, 19)],
  );
  assertEquals(more, 5 + 7);
  const few = running.choose({
    arrivedIds: new Set(),
    isWanted: ({ requestId }) => /^r[12]$/.test(requestId),
  });
  assertEquals([few.shown.length, few.more], [2, 0]);
  running.update(answer(), 1);
  assertEquals(shown(running), "r20. r21. r22. r23. quiet.");
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
