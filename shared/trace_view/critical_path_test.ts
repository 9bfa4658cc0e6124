import { assertAlmostEquals, assertEquals } from "@std/assert/mod.js";
import { criticalPath, pathShares, spansOnPath } from "./critical_path.ts";
import { pathPlaces } from "./path_places.ts";
import { sampleId, type SampleSpan, sampleSpan, sampleTrace } from "./testing/sample_trace.ts";
import { buildTree } from "./trace_tree.ts";

function shares(spans: Parameters<typeof buildTree>[0]): Record<string, number> {
  return Object.fromEntries(
    pathShares(criticalPath(buildTree(spans).roots)).map(({ node, us }) => [
      `${node.span.name} ${node.span.service}`,
      us / 1000,
    ]),
  );
}

function spansOf(...samples: SampleSpan[]) {
  return samples.map(sampleSpan);
}

Deno.test("criticalPath goes through waits and streams to the work that they waited for", () => {
  assertEquals(shares(sampleTrace()), {
    "engine.decode decode": 250,
    "engine.prefill prefill": 86,
    "kv.receive decode": 24,
    "http.stream frontend": 18,
    "preprocess frontend": 10,
    "router.route_request frontend": 8,
    "kv.send prefill": 2,
    "http-request frontend": 2,
  });
});

Deno.test("criticalPath takes the child that ended last, and the span itself in its holes", () => {
  const path = shares(spansOf(
    { id: "r", name: "root", at: [0, 100] },
    { id: "a", parent: "r", name: "a", at: [10, 60] },
    { id: "b", parent: "r", name: "b", at: [40, 90] },
    { id: "c", parent: "r", name: "c", at: [20, 30] },
  ));
  assertEquals(path, { "b frontend": 50, "a frontend": 30, "root frontend": 20 });
});

Deno.test("criticalPath charges the computing of a prompt, not the transfer that is open meanwhile", () => {
  const path = shares(spansOf(
    { id: "h", name: "handle_payload", at: [0, 100] },
    { id: "p", parent: "h", name: "engine.prefill", at: [5, 80] },
    { id: "s", parent: "h", name: "kv.send", at: [5, 98] },
    { id: "r", parent: "s", name: "kv.receive", service: "decode", at: [30, 96] },
  ));
  assertEquals(path, {
    "engine.prefill frontend": 75,
    "kv.receive decode": 16,
    "handle_payload frontend": 7,
    "kv.send frontend": 2,
  });
});

Deno.test("criticalPath adds up to the whole duration, whatever the tree", () => {
  let seed = 7;
  const random = (below: number) => (seed = seed * 48271 % 0x7fffffff) % below;
  for (let round = 0; round < 200; round++) {
    const ids = ["r", ..."abcdefghijkl"];
    const spans = ids.map((id, index) => {
      const start = random(80);
      return sampleSpan({
        id,
        parent: index === 0 ? undefined : ids[random(index)],
        name: ["http.stream", "kv.send", "x", "kv.wait"][random(4)]!,
        at: index === 0 ? [0, 100] : [start, start + random(60)],
        more: {
          links: random(3) === 0
            ? [{ traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: sampleId(ids[random(13)]!) }]
            : [],
        },
      });
    });
    const parts = criticalPath(buildTree(spans).roots);
    const sum = parts.reduce((total, { startUs, endUs }) => total + endUs - startUs, 0);
    assertAlmostEquals(sum, 100_000, 1, `round ${round}`);
  }
});

Deno.test("spansOnPath leaves out what takes next to nothing", () => {
  const tree = buildTree(spansOf(
    { id: "r", name: "root", at: [0, 1000] },
    { id: "a", parent: "r", name: "a", at: [0, 995] },
  ));
  assertEquals([...spansOnPath(tree)].map(({ span }) => span.name), ["a"]);
});

Deno.test("pathPlaces tells spans of one place as one, with their number", () => {
  const chunk = (id: string, start: number) =>
    ({ id, parent: "p", name: "chunk", at: [start, start + 30] }) as const;
  const tree = buildTree(spansOf(
    { id: "p", name: "prefill", at: [0, 100] },
    chunk("a", 0),
    chunk("b", 30),
    chunk("c", 60),
  ));
  assertEquals(pathPlaces(tree), [
    { place: "chunk [frontend] × 3", us: 90_000 },
    { place: "prefill [frontend]", us: 10_000 },
  ]);
});
