import { assertEquals } from "@std/assert/mod.js";
import { spanFacts, spanLabel } from "./span_facts.ts";
import { START_MS, TRACE_ID } from "./testing/sample_trace.ts";
import { sampleSpan } from "./testing/sample_trace.ts";
import { buildTree } from "./trace_tree.ts";

Deno.test("spanFacts tells attributes, events and links, and leaves out what is empty", () => {
  const other = "ab".repeat(16);
  const tree = buildTree([
    sampleSpan({ id: "r", name: "root", at: [0, 100] }),
    sampleSpan({
      id: "a",
      parent: "r",
      name: "a",
      host: "",
      at: [10, 60],
      more: {
        attributes: { "kv.blocks": 3, reasons: ["x", "y"] },
        events: [{ name: "e", timeUs: (START_MS + 30) * 1000, attributes: { cause: "z" } }],
        links: [
          { traceId: TRACE_ID, spanId: "0".repeat(15) + "1" },
          { traceId: other, spanId: "0".repeat(15) + "2" },
        ],
      },
    }),
  ]);
  const [node] = tree.roots[0].children;
  assertEquals(spanFacts(node!, tree).slice(1), [
    { name: "kind", value: "internal" },
    { name: "start", value: "10.0 ms" },
    { name: "instance", value: "frontend-1" },
    { name: "kv.blocks", value: "3" },
    { name: "reasons", value: "x, y" },
    { name: "event e", value: "30.0 ms cause=z" },
    { name: "link", value: "span 0000000000000001" },
    {
      name: "link",
      value: `span 0000000000000002 of trace ${other}`,
      otherTraceId: other,
    },
  ]);
});

Deno.test("spanLabel tells service, kind and links, and not what is usual", () => {
  const links = [{ traceId: TRACE_ID, spanId: "0".repeat(15) + "1" }];
  const span = sampleSpan({ id: "a", name: "a", at: [0, 1], more: { kind: "consumer", links } });
  assertEquals(spanLabel(span), "frontend · consumer · 1 link");
  assertEquals(spanLabel({ ...span, kind: "internal", links: [] }), "frontend");
});
