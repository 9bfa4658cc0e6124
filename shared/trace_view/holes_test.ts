import { assertEquals } from "@std/assert/mod.js";
import { drawnHoles, holesOf } from "./holes.ts";
import { type SampleSpan, sampleSpan, START_MS } from "./testing/sample_trace.ts";
import { buildTree } from "./trace_tree.ts";

function holes(...samples: SampleSpan[]): [number, number, string | undefined][] {
  const [root] = buildTree(samples.map(sampleSpan)).roots;
  return holesOf(root).map(({ startUs, endUs, after }) => [
    startUs / 1000 - START_MS,
    endUs / 1000 - START_MS,
    after?.span.name,
  ]);
}

const ROOT: SampleSpan = { id: "r", name: "root", at: [0, 100] };

Deno.test("holesOf finds the times that no child covers, and after which child", () => {
  assertEquals(
    holes(
      ROOT,
      { id: "a", parent: "r", name: "a", at: [10, 40] },
      { id: "b", parent: "r", name: "b", at: [20, 30] },
      { id: "c", parent: "r", name: "c", at: [60, 90] },
    ),
    [[0, 10, undefined], [40, 60, "a"], [90, 100, "c"]],
  );
});

Deno.test("holesOf finds none where children reach beyond the span or there are none", () => {
  assertEquals(holes(ROOT), []);
  assertEquals(holes(ROOT, { id: "a", parent: "r", name: "a", at: [-5, 120] }), []);
});

Deno.test("holesOf counts no time in which a span waits for its siblings", () => {
  assertEquals(
    holes(
      { id: "r", name: "kv.send", at: [0, 100] },
      { id: "a", parent: "r", name: "kv.receive", at: [80, 100] },
    ),
    [],
  );
});

Deno.test("drawnHoles leaves out what could not be told from the edge of a bar", () => {
  const tree = buildTree([
    sampleSpan({ id: "r", name: "root", at: [0, 1000] }),
    sampleSpan({ id: "a", parent: "r", name: "a", at: [1, 900] }),
  ]);
  const [root] = tree.roots;
  assertEquals(holesOf(root).length, 2);
  assertEquals(drawnHoles(root, tree).map(({ after }) => after?.span.name), ["a"]);
});
