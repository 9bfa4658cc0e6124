/** What the stages of a query make of one small trace; search_property_test.ts has the many. */

import { assertEquals } from "@std/assert/mod.js";
import type { Attribute, SpanData } from "../otlp/mod.ts";
import {
  evaluateQuery,
  lookupForDisplay,
  parseQuery,
  shownKey,
  shownRefs,
  TraceView,
} from "./mod.ts";

/** A span of the one trace; its letter is its id and its name. */
function span(letter: string, parent: string, n: number): SpanData {
  const attributes: Attribute[] = [{ key: "n", value: { type: "int", value: n } }];
  return {
    traceId: "1".repeat(32),
    spanId: letter.repeat(16),
    parentSpanId: parent.repeat(16),
    name: letter,
    kind: "internal",
    startNs: 1_000n,
    endNs: 3_000n,
    status: "unset",
    statusMessage: "",
    attributes,
    events: ["first", "second"].map((name) => ({ name, timeNs: 1_500n, attributes: [] })),
    links: [],
    resource: { attributes: [], serviceName: "shop" },
    scope: { name: "", version: "", attributes: [] },
  };
}

const TRACE = [span("a", "", 1), span("b", "a", 2), span("c", "a", 4), span("d", "b", 8)];

function evaluate(text: string) {
  return evaluateQuery(parseQuery(text), new TraceView(TRACE));
}

/** The names of the spans of each spanset. */
function names(text: string): string[] {
  return evaluate(text).spansets.map(({ spans }) => spans.map(({ data }) => data.name).join(""));
}

Deno.test("evaluateQuery() keeps a spanset whose aggregate holds, with its value and its type", () => {
  const valueOf = (aggregate: string) =>
    evaluate(`{ name != "a" } | ${aggregate} > 0`).spansets.flatMap(({ attributes }) =>
      attributes.map(([, value]) => value)
    );
  assertEquals(valueOf("count()"), [{ type: "int", value: 3 }]);
  assertEquals(valueOf("sum(span.n)"), [{ type: "int", value: 14 }]);
  assertEquals(valueOf("max(span.n)"), [{ type: "int", value: 8 }]);
  assertEquals(valueOf("min(span.n)"), [{ type: "int", value: 2 }]);
  assertEquals(valueOf("avg(span.n)"), [{ type: "float", value: 14 / 3 }]);
  assertEquals(valueOf("avg(duration)"), [{ type: "duration", value: 2_000 }]);
  assertEquals(evaluate(`{ name = "b" } | avg(span.n) = 2.0`).spansets[0]?.attributes, [
    ["avg(span.n)", { type: "float", value: 2 }],
  ]);
  assertEquals(names("{ } | sum(span.absent) > 0"), []);
});

Deno.test("evaluateQuery() relates spans by their places in the trace", () => {
  const named = (op: string, left: string, right: string) =>
    names(`{ name = "${left}" } ${op} { name = "${right}" }`);
  assertEquals(named(">", "a", "b"), ["b"]);
  assertEquals(named(">", "a", "d"), []);
  assertEquals(named(">>", "a", "d"), ["d"]);
  assertEquals(named("<<", "d", "a"), ["a"]);
  assertEquals(named("~", "b", "c"), ["c"]);
  assertEquals(named("~", "b", "b"), []);
  assertEquals(named("~", "a", "a"), []);
  assertEquals(named("&&", "b", "none"), []);
  assertEquals(named("&&", "none", "b"), []);
  assertEquals(named("||", "none", "b"), ["b"]);
  assertEquals(named("&>", "a", "b"), ["ab"]);
  assertEquals(names(`{ } !> { name =~ "b|a" }`), ["a"]);
});

Deno.test("lookupForDisplay() shows the event that matched, or the first where none was asked for", () => {
  const shown = (text: string) => {
    const query = parseQuery(text);
    const { spansets, matches } = evaluateQuery(query, new TraceView(TRACE.slice(0, 1)));
    return spansets[0]?.spans.flatMap((each) => {
      const match = matches.get(each);
      const lookup = lookupForDisplay(each, match ?? {});
      return shownRefs(query, match).map((ref) => [shownKey(ref), lookup(ref)]);
    });
  };
  const event = (value: string) => [["event:name", { type: "string", value }]];
  assertEquals(shown('{ event:name = "second" }'), event("second"));
  assertEquals(shown("{ } | select(event:name)"), event("first"));
});
