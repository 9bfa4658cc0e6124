import { assertEquals } from "@std/assert/mod.js";
import { extractContext } from "./extract.ts";

const W3C = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`;
const B3 = `${"3".repeat(32)}-${"4".repeat(16)}-1`;
const HEADERS = { traceparent: W3C, tracestate: "a=1", baggage: "k=v", b3: B3 };

Deno.test("extractContext reads only what its propagators read", () => {
  assertEquals(extractContext(HEADERS, []), { parent: null, baggage: "" });
  assertEquals(extractContext(HEADERS, ["baggage"]), { parent: null, baggage: "k=v" });
  const { parent, baggage } = extractContext(HEADERS, ["tracecontext"]);
  assertEquals([parent?.traceId, parent?.tracestate, baggage], ["1".repeat(32), "a=1", ""]);
});

Deno.test("extractContext takes the later of two propagators that find a parent", () => {
  const traceIdOf = (...order: ("b3" | "tracecontext")[]) =>
    extractContext(HEADERS, order).parent?.traceId;
  assertEquals(traceIdOf("tracecontext", "b3"), "3".repeat(32));
  assertEquals(traceIdOf("b3", "tracecontext"), "1".repeat(32));
  assertEquals(
    extractContext({ ...HEADERS, b3: "0" }, ["tracecontext", "b3"]).parent?.traceId,
    "1".repeat(32),
  );
});
