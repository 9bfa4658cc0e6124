import { assertStringIncludes } from "@std/assert/mod.js";
import type { LoadFigures } from "../stack/load.ts";
import { clientTable, cpuTable, type SetupFigures } from "./report.ts";

function round(figures: Partial<LoadFigures>): LoadFigures {
  return {
    streamsPerSecond: 1,
    ttftP50Ms: 10,
    ttftP99Ms: 10,
    itlP50Ms: 1,
    itlP99Ms: 2,
    totalP50Ms: 100,
    ttftGapP50Ms: 0,
    frontendUsPerToken: 10,
    workersUsPerToken: 20,
    frontendBytes: 0,
    ...figures,
  };
}

function setup(
  name: string,
  spansPerStream: number,
  rounds: readonly Partial<LoadFigures>[],
): SetupFigures {
  return { name, spansPerStream, rounds: rounds.map(round) };
}

Deno.test("clientTable compares each round with the one that is off", () => {
  const table = clientTable([
    setup("off", 0, [{ streamsPerSecond: 10 }, { streamsPerSecond: 5 }, { streamsPerSecond: 20 }]),
    setup("on", 12, [{ streamsPerSecond: 9 }, { streamsPerSecond: 4.5 }, { streamsPerSecond: 18 }]),
  ], 64);
  assertStringIncludes(table, "| off | 640 | 1 | 10 ms | 1 | 2 ms | 1 |");
  assertStringIncludes(table, "| on | 576 | 0.900 (0.900 to 0.900) | 10 ms |");
});

Deno.test("cpuTable divides what a stream costs more than off among its spans", () => {
  const table = cpuTable([
    setup("off", 0, [{}, { frontendUsPerToken: 12 }]),
    setup("on", 16, [{ frontendUsPerToken: 40 }, { frontendUsPerToken: 42 }]),
  ], 8);
  assertStringIncludes(table, "| off | 0 | 248 µs | 1 | – |");
  assertStringIncludes(table, "| on | 16 | 488 µs | 1.969 (1.938 to 2.000) | 15 (15 to 15) µs |");
});
