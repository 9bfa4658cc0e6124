import { assertEquals } from "@std/assert/mod.js";
import { passTimes } from "./step_passes.ts";

const SECTIONS = [
  { name: "embed" },
  { name: "layers", kind: "other" },
  { name: "layers", kind: "linear" },
  { name: "layers", kind: "other" },
  { name: "sample" },
] as const;

/** Timestamps from milliseconds since a device's start. */
function timestamps(...ms: number[]): BigUint64Array {
  return BigUint64Array.from(ms, (value) => BigInt(value) * 1_000_000n + 86_400_000_000_000n);
}

Deno.test("passTimes() joins the sections of one name and sums their kinds", () => {
  const times = passTimes(SECTIONS, timestamps(0, 1, 2, 4, 4, 10, 11, 12, 12, 15));
  assertEquals(times, [
    { name: "embed", startMs: 0, durationMs: 1, kinds: {} },
    { name: "layers", startMs: 2, durationMs: 10, kinds: { other: 3, linear: 6 } },
    { name: "sample", startMs: 12, durationMs: 3, kinds: {} },
  ]);
});

Deno.test("passTimes() gives passes that overlap on the device to the earlier one", () => {
  const times = passTimes(SECTIONS.slice(0, 3), timestamps(0, 5, 3, 4, 3, 9));
  assertEquals(times, [
    { name: "embed", startMs: 0, durationMs: 5, kinds: {} },
    { name: "layers", startMs: 5, durationMs: 4, kinds: { other: 0, linear: 4 } },
  ]);
});

Deno.test("passTimes() is undefined where the device's clock went backwards", () => {
  assertEquals(passTimes(SECTIONS.slice(0, 1), timestamps(3, 2)), undefined);
});
