import { assertEquals } from "@std/assert/mod.js";
import type { StepReport } from "../engine/engine.ts";
import type { ActiveSpan } from "../telemetry/telemetry.ts";
import { StepHistory, type StepRequest, type StepWork } from "./step_history.ts";

function request(requestId: string): StepRequest {
  return { requestId, span: { traceId: "t", spanId: requestId } as ActiveSpan<"handle_payload"> };
}

function report(step: number, part: Partial<StepReport> = {}): StepReport {
  return {
    step,
    startMs: step,
    endMs: step + 1,
    prefillRows: 0,
    decodeRows: 1,
    members: [],
    kvCopies: [],
    ...part,
  };
}

Deno.test("StepHistory.at() gives the last steps, and null for others", () => {
  const history = new StepHistory();
  for (let step = 0; step < 300; step++) history.add(report(step));
  assertEquals(history.at(299)?.report.step, 299);
  assertEquals(history.at(44)?.report.step, 44);
  assertEquals(history.at(43), null);
  assertEquals(history.at(300), null);
});

Deno.test("StepHistory.add() keeps the requests of prompts and of copied KV, ended ones too", () => {
  const history = new StepHistory();
  history.join("a", request("request-a"));
  history.join("b", request("request-b"));
  history.leave("b");
  history.add(report(0, {
    prefillRows: 20,
    members: [
      { sequenceId: "a", rows: 20, isDecode: false },
      { sequenceId: "c", rows: 1, isDecode: true },
    ],
    kvCopies: [
      { sequenceId: "b", direction: "export", durationMs: 3 },
      { sequenceId: "x", direction: "import", durationMs: 4 },
    ],
  }));
  history.leave("a");
  const past = history.at(0);
  const seen = (works: readonly StepWork[] = []) =>
    works.map(({ request, amount }) => [request?.requestId, amount]);
  assertEquals(seen(past?.prefills), [["request-a", 20]]);
  assertEquals(seen(past?.kvExports), [["request-b", 3]]);
  assertEquals(seen(past?.kvImports), [[undefined, 4]]);
});

Deno.test("StepHistory forgets requests that ended long ago, and no running one", () => {
  const history = new StepHistory();
  history.join("running", request("running"));
  for (let i = 0; i < 100; i++) {
    history.join(`${i}`, request(`${i}`));
    history.leave(`${i}`);
  }
  assertEquals(history.requestOf("running")?.requestId, "running");
  assertEquals(history.requestOf("99")?.requestId, "99");
  assertEquals(history.requestOf("0"), null);
  history.leave("nobody");
});

Deno.test("StepHistory.tracesOf() names for each kind of rows a request of the step that is exported", () => {
  const history = new StepHistory();
  const ofTrace = (traceId: string, isExported: boolean): StepRequest => ({
    requestId: traceId,
    span: { traceId, spanId: traceId, isExported } as ActiveSpan<"handle_payload">,
  });
  history.join("a", ofTrace("unsampled", false));
  history.join("b", ofTrace("prompt", true));
  history.join("c", ofTrace("answer", true));
  const members = [
    { sequenceId: "a", rows: 8, isDecode: false },
    { sequenceId: "b", rows: 8, isDecode: false },
    { sequenceId: "c", rows: 1, isDecode: true },
    { sequenceId: "unknown", rows: 1, isDecode: true },
  ];
  assertEquals(history.tracesOf(report(0, { members })), { prefill: "prompt", decode: "answer" });
  assertEquals(history.tracesOf(report(1, { members: members.slice(0, 1) })), {});
});
