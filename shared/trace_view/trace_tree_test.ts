import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert/mod.js";
import {
  sampleId,
  type SampleSpan,
  sampleSpan,
  sampleTrace,
  START_MS,
} from "./testing/sample_trace.ts";
import { allNodes, buildTree, MISSING_NAME, type SpanNode, type TraceTree } from "./trace_tree.ts";

function outline(nodes: readonly SpanNode[], depth = 0): string[] {
  return nodes.flatMap(({ span, children }) => [
    `${" ".repeat(depth)}${span.name}`,
    ...outline(children, depth + 1),
  ]);
}

function find({ roots }: TraceTree, id: string): SpanNode {
  return allNodes(roots).find(({ span }) => span.spanId === sampleId(id))!;
}

/** Start and end in milliseconds after the sample's. */
function times(tree: TraceTree, id: string): [number, number] {
  const { startUs, endUs } = find(tree, id);
  return [startUs / 1000 - START_MS, endUs / 1000 - START_MS];
}

Deno.test("buildTree hangs spans below their parents whatever their order", () => {
  const expected = outline(buildTree(sampleTrace()).roots);
  assertEquals(expected.slice(0, 6), [
    "http-request",
    " preprocess",
    " prefill_routing",
    "  router.route_request",
    "   handle_payload",
    "    engine.prefill",
  ]);
  assertEquals(
    outline(buildTree(sampleTrace().toReversed()).roots).toSorted(),
    expected.toSorted(),
  );
  assertEquals(buildTree(sampleTrace()).notes, []);
});

Deno.test("buildTree takes a parent outside for granted where the role may have one", () => {
  const tree = buildTree(
    sampleTrace((sample) => sample.id === "root" ? { ...sample, parent: "client" } : sample),
  );
  assertEquals(tree.roots.length, 1);
  assertEquals(tree.notes, []);
});

Deno.test("buildTree puts spans of a lost parent below one stand-in and says so", () => {
  const tree = buildTree(sampleTrace((sample) => sample.id === "ph" ? null : sample));
  const [, standIn] = tree.roots;
  assertEquals(outline(tree.roots.slice(1)), [
    MISSING_NAME,
    " engine.prefill",
    " kv.send",
    "  kv.receive",
  ]);
  assert(standIn?.isMissing);
  assertEquals(tree.notes, [
    `Span ${sampleId("ph")} is not there, the parent of engine.prefill, kv.send: its log is ` +
    "missing, was cut, or its process was killed",
  ]);
});

Deno.test("buildTree draws an open span to the end of its parent, and says what it means", () => {
  const openSpan = (ids: string[]) => (sample: SampleSpan): SampleSpan =>
    ids.includes(sample.id) ? { ...sample, at: [sample.at[0]] } : sample;
  const killed = buildTree(sampleTrace(openSpan(["dh"])));
  assertEquals(times(killed, "dh"), [14, 380]);
  assertEquals(killed.notes, [
    "A process was killed, or its log is cut; without an end: handle_payload [decode]",
  ]);
  const running = buildTree(sampleTrace(openSpan(["root", "dr"])));
  assertEquals(times(running, "root"), [0, 398]);
  assertEquals(running.notes, [
    "The request is still running, or a process was killed; without an end: " +
    "http-request [frontend], decode_routing [frontend]",
  ]);
});

Deno.test("buildTree loses no span to parents that form a ring", () => {
  const spans = [
    sampleSpan({ id: "a", parent: "b", name: "a", at: [0, 1] }),
    sampleSpan({ id: "b", parent: "c", name: "b", at: [0, 1] }),
    sampleSpan({ id: "c", parent: "a", name: "c", at: [0, 1] }),
    sampleSpan({ id: "d", parent: "a", name: "d", at: [0, 1] }),
  ];
  assertEquals(allNodes(buildTree(spans).roots).map(({ span }) => span.name).sort(), [
    "a",
    "b",
    "c",
    "d",
  ]);
});

Deno.test("buildTree says that no collector has an unsampled trace", () => {
  const tree = buildTree([sampleSpan({
    id: "root",
    name: "http-request",
    at: [0, 1],
    more: { isSampled: false },
  })]);
  assertEquals(tree.notes, ["The trace is not sampled: no collector has its spans"]);
  const kept = { isSampled: false, attributes: { "trace.kept": "slow" } };
  const ofKept = buildTree([
    sampleSpan({ id: "root", name: "http-request", at: [0, 1], more: kept }),
  ]);
  assertEquals(ofKept.notes, []);
});

Deno.test("buildTree refuses nothing", () => {
  assertThrows(() => buildTree([]), RangeError);
});

/** The sample with the clocks of services ahead by so many milliseconds. */
function skewed(aheadMs: Record<string, number>) {
  return sampleTrace((sample) => {
    const { service = "frontend", at: [start, end = start] } = sample;
    const ahead = aheadMs[service] ?? 0;
    return { ...sample, host: service, at: [start + ahead, end + ahead] };
  });
}

const SKEWS: Record<string, number>[] = [
  { prefill: 5000, decode: -700 },
  { decode: 30 },
  { prefill: -30 },
];
for (const aheadMs of SKEWS) {
  Deno.test(`buildTree corrects clocks that are ahead by ${JSON.stringify(aheadMs)}`, () => {
    const tree = buildTree(skewed(aheadMs));
    assertEquals(tree.clockShifts.length, Object.keys(aheadMs).length);
    for (const { service, aheadUs, uncertaintyUs } of tree.clockShifts) {
      const truth = aheadMs[service]! * 1000;
      assert(Math.abs(aheadUs - truth) <= uncertaintyUs + 1, `${service} ${aheadUs}`);
    }
    for (const { span, startUs, children } of allNodes(tree.roots)) {
      for (const child of children) {
        assert(child.startUs >= startUs - 1000, `${child.span.name} begins before ${span.name}`);
      }
    }
    assertAlmostEquals(times(tree, "de")[1], 376, 15);
  });
}

Deno.test("buildTree says whose clock is off, by how much and on which host", () => {
  const { notes } = buildTree(skewed({ decode: 5000 }));
  assertEquals(notes, [
    "The clock of decode decode-1 on decode is about 5.00 s (± 4.00 ms) ahead of that of " +
    "frontend: its spans are shifted",
  ]);
});

Deno.test("buildTree does not take a cancel that was heard late for a clock", () => {
  const attributes = { phase: "decode", "cancellation.signal": "client_disconnect" };
  const tree = buildTree(sampleTrace((sample) => {
    if (sample.id === "drr") return { ...sample, at: [10, 362], more: { attributes } };
    return sample.id === "dh" ? { ...sample, at: [30, 376] } : sample;
  }));
  assertEquals(tree.clockShifts, []);
});

Deno.test("buildTree does not take a chat that was stopped before its frontend heard of it for a clock", () => {
  const shiftsOf = (outcome: string) => {
    const attributes = { "request.outcome": outcome };
    const page = { id: "page", service: "page", name: "chat.request", at: [0, 100] } as const;
    return buildTree([
      sampleSpan({ ...page, more: { attributes } }),
      sampleSpan({ id: "root", parent: "page", name: "http-request", at: [40, 130] }),
    ]).clockShifts.length;
  };
  assertEquals([shiftsOf("cancelled"), shiftsOf("success")], [0, 1]);
});

Deno.test("buildTree ends with its last span, whatever that hangs below", () => {
  const tree = buildTree(
    sampleTrace((sample) => sample.id === "root" ? { ...sample, at: [0, 90] } : sample),
  );
  const ends = allNodes(tree.roots).map(({ endUs }) => endUs);
  assert(Math.max(...ends) > find(tree, "root").endUs);
  assertEquals(tree.endUs, Math.max(...ends));
});

Deno.test("buildTree takes a late end on one clock for what it is", () => {
  // A cancelled worker notices late: its span outlives its parent's.
  const tree = buildTree(
    sampleTrace((sample) =>
      ["drr", "dr"].includes(sample.id) ? { ...sample, at: [10, 200] } : sample
    ),
  );
  assertEquals(tree.clockShifts, []);
});
