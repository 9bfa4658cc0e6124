import { assertEquals } from "@std/assert/mod.js";
import { sampleTrace, START_MS } from "../../../shared/trace_view/testing/sample_trace.ts";
import { buildTree } from "../../../shared/trace_view/trace_tree.ts";
import { parseQuery } from "../../../shared/traceql/mod.ts";
import { neighbourQuery, sharedSteps, stepRanges } from "./neighbours.ts";

Deno.test("stepRanges tells the steps of each part, and neighbourQuery asks who else was in them", () => {
  const tree = buildTree(sampleTrace((sample) =>
    sample.name !== "engine.decode" ? sample : {
      ...sample,
      more: { attributes: { "engine.first_step": 10, "engine.last_step": 49 } },
    }
  ));
  const [range, ...others] = stepRanges(tree);
  assertEquals(others, []);
  assertEquals([range?.part, range?.instance, range?.first, range?.last], [
    "engine.decode",
    "decode-1",
    10,
    49,
  ]);
  assertEquals(range?.startSeconds, Math.floor((START_MS + 126) / 1000) - 5);
  parseQuery(neighbourQuery(range!));
  parseQuery(neighbourQuery({ ...range!, instance: `a"b\\c` }));
  const steps = (first: number, last: number) => ({
    "engine.first_step": first,
    "engine.last_step": last,
  });
  assertEquals(
    [steps(0, 12), steps(40, 90), steps(20, 20), steps(50, 60)].map((them) =>
      sharedSteps(range!, them)
    ),
    [3, 10, 1, 0],
  );
  assertEquals(sharedSteps(range!, {}), 0);
});
