import { assertEquals } from "@std/assert/mod.js";
import { sampleTrace } from "./testing/sample_trace.ts";
import { diffTraces } from "./trace_diff.ts";
import { diffJson, traceJson } from "./trace_json.ts";
import { buildTree } from "./trace_tree.ts";

Deno.test("traceJson tells every span with times since the start, and the path", () => {
  const json = traceJson(buildTree(sampleTrace())) as Record<string, Record<string, unknown>[]>;
  assertEquals(json.duration_us as unknown, 400_000);
  assertEquals(json.spans?.length, sampleTrace().length);
  const decode = json.spans?.find(({ name }) => name === "engine.decode");
  assertEquals([decode?.offset_us, decode?.duration_us, decode?.is_open], [
    126_000,
    250_000,
    false,
  ]);
  const root = json.spans?.find(({ name }) => name === "http-request");
  assertEquals(root?.events, [{ name: "first_token", offset_us: 100_000, attributes: {} }]);
  assertEquals(json.critical_path?.[0], {
    span_id: decode?.span_id,
    name: "engine.decode",
    service: "decode",
    duration_us: 250_000,
  });
});

Deno.test("traceJson tells times on one clock, and by how much they were shifted", () => {
  const json = traceJson(buildTree(sampleTrace((sample) => {
    const { service, at: [start, end = start] } = sample;
    return service === "decode" ? { ...sample, at: [start + 5000, end + 5000] } : sample;
  }))) as Record<string, Record<string, unknown>[]>;
  const decode = json.spans?.find(({ name }) => name === "engine.decode");
  assertEquals(Math.abs(Number(decode?.offset_us) - 126_000) <= 4_000, true);
  assertEquals(json.clock_shifts?.map(({ service }) => service), ["decode"]);
});

Deno.test("diffJson has null for a span that one trace lacks", () => {
  const before = buildTree(sampleTrace());
  const after = buildTree(sampleTrace((sample) => sample.id === "pre" ? null : sample));
  const { spans } = diffJson(diffTraces(before, after)) as { spans: Record<string, unknown>[] };
  assertEquals(spans.find(({ name }) => name === "preprocess"), {
    name: "preprocess",
    service: "frontend",
    before_us: 10_000,
    after_us: null,
    change_us: -10_000,
  });
});
