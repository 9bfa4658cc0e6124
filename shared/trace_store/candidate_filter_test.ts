import { assertEquals } from "@std/assert/mod.js";
import { parseQuery, type SpansetFilter } from "../traceql/mod.ts";
import { candidateFilter } from "./candidate_filter.ts";

function chosen(text: string): unknown {
  return withoutPlaces(candidateFilter(parseQuery(text)));
}

function conditionOf(filter: string): unknown {
  const [stage] = parseQuery(filter).stages;
  return withoutPlaces((stage as SpansetFilter).expression);
}

/** Two ways to write an expression differ in their offsets. */
function withoutPlaces(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, item) => key === "at" ? undefined : item));
}

Deno.test("candidateFilter takes the side of && that leaves fewer spans", () => {
  const rare = '{ name = "http-request" && duration > 8s }';
  for (
    const query of [
      `${rare} && { name = "engine.decode" }`,
      `{ name = "engine.decode" } && ${rare}`,
      `{ name = "engine.decode" } >> ${rare}`,
      `({ } | count() > 1) && ${rare}`,
    ]
  ) {
    assertEquals(chosen(query), conditionOf(rare), query);
  }
});

Deno.test("candidateFilter of || keeps both sides, and none where one has no condition", () => {
  assertEquals(
    chosen('{ name = "a" } || { name = "b" }'),
    conditionOf('{ name = "a" || name = "b" }'),
  );
  assertEquals(chosen('{ name = "a" } || { }'), null);
});

Deno.test("candidateFilter of a negated operator is the right side's", () => {
  assertEquals(chosen('{ .a = 1 && .b = 2 } !>> { name = "x" }'), conditionOf('{ name = "x" }'));
});
