import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { diffLines } from "./diff_text.ts";
import { paintPlain } from "./style.ts";
import { sampleSpan, sampleTrace } from "./testing/sample_trace.ts";
import { diffTraces } from "./trace_diff.ts";
import { buildTree } from "./trace_tree.ts";

const SLOWER = new Set(["root", "dr", "drr", "dh", "de", "st"]);

const DIFF = `\
A  4bf92f3577b34da6a3ce929d0e0e4736  POST /v1/chat/completions  success 200  400.0 ms
B  4bf92f3577b34da6a3ce929d0e0e4736  POST /v1/chat/completions  success 200  450.0 ms

                                                                      A         B     change
http-request [frontend]                                        400.0 ms  450.0 ms   +50.0 ms   +13 %
├ preprocess [frontend]                                         10.0 ms         -       gone
├ prefill_routing [frontend]                                   120.0 ms  120.0 ms      ±0 µs
│ └ router.route_request prefill [frontend]                    120.0 ms  120.0 ms      ±0 µs
│   └ handle_payload [prefill]                                 116.0 ms  116.0 ms      ±0 µs
│     ├ engine.prefill [prefill]                                86.0 ms   86.0 ms      ±0 µs
│     └ kv.send [prefill]                                      112.0 ms  112.0 ms      ±0 µs
│       └ kv.receive [decode]                                   24.0 ms   24.0 ms      ±0 µs
├ decode_routing [frontend]                                    370.0 ms  420.0 ms   +50.0 ms   +14 %
│ └ router.route_request decode [frontend]                     370.0 ms  420.0 ms   +50.0 ms   +14 %
│   └ handle_payload [decode]                                  362.0 ms  412.0 ms   +50.0 ms   +14 %
│     ├ kv.wait [decode]                                       112.0 ms  112.0 ms      ±0 µs
│     ├ engine.queue [decode]                                         -   1.00 ms        new
│     └ engine.decode [decode]                                 250.0 ms  300.0 ms   +50.0 ms   +20 %
└ http.stream [frontend]                                       298.0 ms  348.0 ms   +50.0 ms   +17 %

In all    B took 50.0 ms more than A (13 %)
Grew      engine.decode [decode] +50.0 ms, http-request [frontend] +10.0 ms outside of its children
Appeared  engine.queue [decode] 1.00 ms
Vanished  preprocess [frontend] 10.0 ms`;

Deno.test("diffLines says which spans grew, appeared and vanished, and by how much", () => {
  const after = sampleTrace((sample) => {
    const { id, at: [start, end = start] } = sample;
    if (id === "pre") return null;
    return SLOWER.has(id) ? { ...sample, at: [start, end + 50] } : sample;
  });
  after.push(
    sampleSpan({ id: "q", parent: "dh", name: "engine.queue", service: "decode", at: [14, 15] }),
  );
  const diff = diffTraces(buildTree(sampleTrace()), buildTree(after));
  assertEquals(diffLines(diff, { width: 100, paint: paintPlain }).join("\n"), DIFF);
});

Deno.test("diffLines tells in times what took ten times as long and more", () => {
  const after = sampleTrace((sample) =>
    sample.id === "pre" ? { ...sample, at: [0, 1280] } : sample
  );
  const diff = diffTraces(buildTree(sampleTrace()), buildTree(after));
  const lines = diffLines(diff, { width: 100, paint: paintPlain });
  assertMatch(lines.find((line) => line.includes("preprocess")) ?? "", / {2}\+1\.27 s {3}× 128$/);
});

Deno.test("diffLines of a trace with itself tells no change", () => {
  const tree = buildTree(sampleTrace());
  const text = diffLines(diffTraces(tree, tree), { width: 100, paint: paintPlain }).join("\n");
  assertEquals(/Grew|Shrank|Appeared|Vanished/.test(text), false);
});
