import { assertEquals } from "@std/assert/mod.js";
import { layers } from "./call_graph.ts";

const edge = (from: string, to: string) => ({ from, to, count: 1, p95Seconds: 1 });
const service = (name: string) => ({ name, count: 0, p95Seconds: 0, failed: 0, spans: 1 });

Deno.test("layers puts each service below all that call it, and those alone at the top", () => {
  const edges = [
    edge("frontend", "decode"),
    edge("frontend", "prefill"),
    edge("page", "frontend"),
    edge("prefill", "decode"),
  ];
  assertEquals(layers({ edges, services: [service("other"), service("page")] }), [
    ["other", "page"],
    ["frontend"],
    ["prefill"],
    ["decode"],
  ]);
});

Deno.test("layers ends on services that call each other", () => {
  assertEquals(
    layers({ edges: [edge("a", "b"), edge("b", "a")], services: [] }).flat().sort(),
    ["a", "b"],
  );
});

Deno.test("layers ends soon where every service calls every other", () => {
  const names = Array.from({ length: 40 }, (_, index) => `s${index}`);
  const edges = names.flatMap((from) => names.map((to) => edge(from, to)));
  assertEquals(layers({ edges, services: [] }).flat().sort(), names.toSorted());
});
