import { assert, assertEquals } from "@std/assert/mod.js";
import { telemetryTestOptions } from "../../../tests/kit/telemetry_options.ts";
import type { Headers, SamplerChoice } from "../telemetry.ts";
import { startTelemetry } from "./start.ts";

const IDS = { xRequestId: "x", requestId: "r" };
const SAMPLED = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` };
const UNSAMPLED = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-00` };

function telemetryWith(name: SamplerChoice["name"], ratio = 1) {
  return startTelemetry(telemetryTestOptions("http://127.0.0.1:9/v1/traces", {
    exportEnabled: false,
    sampler: { name, ratio },
    propagators: ["tracecontext", "baggage", "b3"],
  }));
}

function isSampled(name: SamplerChoice["name"], headers: Headers): boolean {
  return telemetryWith(name).serverSpan("http_request", headers, IDS).isSampled;
}

Deno.test("a sampler by itself decides whatever the client decided", () => {
  for (const headers of [{}, SAMPLED, UNSAMPLED]) {
    assertEquals(isSampled("always_on", headers), true);
    assertEquals(isSampled("always_off", headers), false);
  }
});

Deno.test("a parent-based sampler follows the client, and decides for the others", () => {
  for (const [name, ofRoot] of [["always_on", true], ["always_off", false]] as const) {
    assertEquals(isSampled(`parentbased_${name}`, {}), ofRoot);
    assertEquals(isSampled(`parentbased_${name}`, SAMPLED), true);
    assertEquals(isSampled(`parentbased_${name}`, UNSAMPLED), false);
  }
});

Deno.test("traceidratio takes about its share of traces, and whole ones", () => {
  for (const name of ["traceidratio", "parentbased_traceidratio"] as const) {
    const telemetry = telemetryWith(name, 0.25);
    let sampled = 0;
    for (let i = 0; i < 2000; i++) {
      const root = telemetry.serverSpan("http_request", {}, { xRequestId: "x", requestId: `${i}` });
      assertEquals(root.child("preprocess").isSampled, root.isSampled);
      sampled += Number(root.isSampled);
    }
    assert(sampled > 400 && sampled < 600, `${sampled} of 2000`);
  }
});

Deno.test("traceidratio decides alike in every process, and at 0 and 1 for all", () => {
  const headers = { b3: `${"c".repeat(32)}-${"d".repeat(16)}` };
  const decide = (ratio: number) =>
    telemetryWith("parentbased_traceidratio", ratio).serverSpan("http_request", headers, IDS)
      .isSampled;
  assertEquals([decide(0), decide(1)], [false, true]);
  assertEquals(decide(0.5), decide(0.5));
});

Deno.test("an unsampled request still has ids of its own, and they go on", () => {
  const span = telemetryWith("always_off").serverSpan("http_request", {}, IDS);
  const child = span.child("preprocess");
  assertEquals(child.traceId, span.traceId);
  assertEquals(child.headers().traceparent, `00-${span.traceId}-${child.spanId}-00`);
});

Deno.test("what a sampled request asked for is sampled whatever the sampler says of its own trace", () => {
  for (const name of ["parentbased_always_off", "parentbased_traceidratio"] as const) {
    const telemetry = telemetryWith(name, 0);
    const request = telemetry.serverSpan("handle_payload", SAMPLED, IDS);
    const step = telemetry.rootSpan("engine_step", { asked: { by: [request], level: 3 } });
    assertEquals([step.isSampled, step.child("cpu_embed").isSampled, step.level], [true, true, 3]);
    assertEquals(telemetry.rootSpan("worker_start").isSampled, false);
  }
});
