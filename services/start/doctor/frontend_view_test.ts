import { assert, assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { clockLeadMs } from "./clock_lead.ts";
import { frontendClockFindings } from "./deployment_findings.ts";
import { viewFrontend } from "./frontend_view.ts";

const HEALTH = {
  status: "healthy",
  stage: "ready",
  models: ["m"],
  endpoints: [],
  instances: [],
  bus: { is_connected: true },
  telemetry: { exported_spans: 1, dropped_spans: 0, failed_batches: 0, queued_spans: 0 },
};
const METRICS = [
  "# TYPE dynamo_frontend_trace_context_total counter",
  'dynamo_frontend_trace_context_total{context="absent"} 3',
  'dynamo_frontend_trace_context_total{context="continued"} 2',
].join("\n");

/** What the doctor sees of a server that answers this, with a clock that is ahead. */
async function viewServer(health: unknown, leadMs = 0) {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const isHealth = new URL(request.url).pathname === "/health";
    return new Response(isHealth ? JSON.stringify(health) : METRICS, {
      status: isHealth ? 503 : 200,
      headers: { date: new Date(Date.now() + leadMs).toUTCString() },
    });
  });
  return await viewFrontend(`http://127.0.0.1:${server.addr.port}/`);
}

Deno.test("viewFrontend reads health and contexts, whatever the status of /health", async () => {
  const answer = await viewServer(HEALTH);
  assert(answer.kind === "baton");
  if (answer.kind !== "baton") return;
  assertEquals(answer.view.contexts, { continued: 2, ignored: 0, absent: 3 });
  assertEquals(answer.view.clockLeadMs, 0);
  assertEquals(frontendClockFindings({ url: "http://f", isGiven: true }, answer.view), []);
});

Deno.test("viewFrontend tells a frontend whose clock is an hour ahead or behind", async () => {
  for (const [leadMs, words] of [[3_600_000, "ahead of"], [-3_600_000, "behind"]] as const) {
    const answer = await viewServer(HEALTH, leadMs);
    if (answer.kind !== "baton") throw new Error(answer.reason);
    const [finding] = frontendClockFindings({ url: "http://f", isGiven: true }, answer.view);
    assertEquals(finding?.symptom, "clock-skew");
    assertStringIncludes(finding?.text ?? "", ` s ${words} this one, at least`);
    assert(Math.abs(answer.view.clockLeadMs - leadMs) <= 5_000, String(answer.view.clockLeadMs));
  }
});

Deno.test("viewFrontend tells another program from none", async () => {
  const other = await viewServer({ status: "ok" });
  assertEquals(other.kind, "other");
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const none = await viewFrontend(`http://127.0.0.1:${port}`);
  assertEquals(none.kind, "unreachable");
  assertStringIncludes(none.kind === "unreachable" ? none.reason : "", "refused");
});

Deno.test("clockLeadMs claims no more than whole seconds can tell", () => {
  const exchange = { askedAtMs: 10_400, answeredAtMs: 10_500 };
  assertEquals(clockLeadMs(10_000, exchange), 0);
  assertEquals(clockLeadMs(9_000, exchange), 0);
  assertEquals(clockLeadMs(8_000, exchange), -400);
  assertEquals(clockLeadMs(11_000, exchange), 500);
  assertEquals(clockLeadMs(NaN, exchange), 0);
});
