import { assertEquals } from "@std/assert/mod.js";
import { parseB3 } from "./b3.ts";

const TRACE = "80f198ee56343ba864fe8b2a57d3eff7";
const SPAN = "e457b5a2e4d86bd1";

function parentOf(traceId: string, isSampled: boolean | null) {
  return { traceId, spanId: SPAN, isSampled, isRandom: false, tracestate: "" };
}

Deno.test("parseB3 reads the single header with each state", () => {
  for (const [state, isSampled] of [["1", true], ["d", true], ["0", false]] as const) {
    assertEquals(parseB3({ b3: `${TRACE}-${SPAN}-${state}` }), parentOf(TRACE, isSampled));
  }
  const withParent = `${TRACE}-${SPAN}-1-05e3ac9a4f6e3b90`;
  assertEquals(parseB3({ b3: withParent }), parentOf(TRACE, true));
});

Deno.test("parseB3 leaves the decision to us where there is no state", () => {
  assertEquals(parseB3({ b3: `${TRACE}-${SPAN}` }), parentOf(TRACE, null));
  assertEquals(
    parseB3({ "x-b3-traceid": TRACE, "x-b3-spanid": SPAN }),
    parentOf(TRACE, null),
  );
});

Deno.test("parseB3 reads one header for each part", () => {
  const ids = { "x-b3-traceid": TRACE, "x-b3-spanid": SPAN };
  for (const [word, isSampled] of [["1", true], ["true", true], ["0", false]] as const) {
    assertEquals(parseB3({ ...ids, "x-b3-sampled": word }), parentOf(TRACE, isSampled));
  }
  const debug = { ...ids, "x-b3-sampled": "0", "x-b3-flags": "1" };
  assertEquals(parseB3(debug), parentOf(TRACE, true));
});

Deno.test("parseB3 prefers the single header, and falls back when it is wrong", () => {
  const multi = { "x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "0" };
  const other = "1".repeat(32);
  assertEquals(parseB3({ ...multi, b3: `${other}-${SPAN}-1` }), parentOf(other, true));
  assertEquals(parseB3({ ...multi, b3: "nonsense" }), parentOf(TRACE, false));
});

Deno.test("parseB3 fills a trace id of 64 bits with zeros", () => {
  assertEquals(
    parseB3({ b3: `${TRACE.slice(16)}-${SPAN}-1` }),
    parentOf(`${"0".repeat(16)}${TRACE.slice(16)}`, true),
  );
});

Deno.test("parseB3 refuses what names no parent", () => {
  const wrong = [
    "",
    "0",
    `${TRACE}`,
    `${TRACE.toUpperCase()}-${SPAN}-1`,
    `${TRACE.slice(1)}-${SPAN}-1`,
    `${"0".repeat(32)}-${SPAN}-1`,
    `${TRACE}-${"0".repeat(16)}-1`,
    `${TRACE}-${SPAN}-2`,
    `${TRACE}-${SPAN}-1-xyz`,
  ];
  for (const b3 of wrong) assertEquals(parseB3({ b3 }), null, b3);
  assertEquals(parseB3({ "x-b3-traceid": TRACE }), null);
});
