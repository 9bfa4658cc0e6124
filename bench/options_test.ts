import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { parseBenchOptions, UsageError } from "./options.ts";

Deno.test("parseBenchOptions() has defaults, and no rounds of its own", () => {
  assertEquals(parseBenchOptions([]), {
    isHelp: false,
    parts: [],
    models: ["stories15m", "smollm2-135m-instruct"],
    devices: ["cpu", "adapter"],
    decodeTokens: 64,
    concurrencies: [1, 16, 64, 256],
    kvTokenBytes: 8,
    spans: [10_000, 100_000, 1_000_000],
  });
});

Deno.test("parseBenchOptions() reads parts and every option", () => {
  const words = "engine --models a,b.gguf --rounds 2 --devices cpu --decode=8 plane " +
    "--connections 1,4 --kv-bytes 23040 --spans 2000 --other ../old --out page.md -h";
  assertEquals(parseBenchOptions(words.split(" ")), {
    isHelp: true,
    parts: ["engine", "plane"],
    models: ["a", "b.gguf"],
    devices: ["cpu"],
    rounds: 2,
    decodeTokens: 8,
    concurrencies: [1, 4],
    kvTokenBytes: 23_040,
    spans: [2000],
    other: "../old",
    out: "page.md",
  });
});

const WRONG: readonly (readonly [words: string, problem: string])[] = [
  ["--round 2", "Cannot use --round: no such option; see --help"],
  ["-x", "Cannot use -x: no such option; see --help"],
  ["--rounds abc", 'Cannot use --rounds "abc": use whole numbers from 1 on'],
  ["--rounds 0", 'Cannot use --rounds "0": use whole numbers from 1 on'],
  ["--rounds", "Cannot use --rounds: it needs a value"],
  ["--decode 1.5", 'Cannot use --decode "1.5": use whole numbers from 1 on'],
  ["--connections 1,,4", 'Cannot use --connections "": use whole numbers from 1 on'],
  ["--spans 1e6", 'Cannot use --spans "1e6": use whole numbers from 1 on'],
  ["--devices gpu", 'Cannot use --devices "gpu": use cpu, adapter or both'],
];
for (const [words, problem] of WRONG) {
  Deno.test(`parseBenchOptions() refuses ${words}`, () => {
    assertThrows(() => parseBenchOptions(words.split(" ")), UsageError, problem);
  });
}
