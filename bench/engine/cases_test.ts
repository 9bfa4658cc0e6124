import { assertEquals } from "@std/assert/mod.js";
import { affordableRuns, decodeTokensAt, engineCases } from "./cases.ts";

Deno.test("engineCases asks for 128, 1,024 and up to 4,096 positions of a model that has them", () => {
  const { short, batches, long, longest } = engineCases(8192, 64);
  assertEquals(short, { sequences: 1, promptTokens: 128 });
  assertEquals(batches.map(({ sequences }) => sequences), [4, 8]);
  assertEquals(long, { sequences: 1, promptTokens: 1024 });
  assertEquals(longest, { sequences: 1, promptTokens: 4096 - 64 });
});

Deno.test("engineCases stays within a shorter context, with room to decode", () => {
  const { short, long, longest } = engineCases(256, 64);
  assertEquals(short.promptTokens, 128);
  assertEquals(long.promptTokens, 192);
  assertEquals(longest, null);
});

Deno.test("affordableRuns bounds a slow engine's runs by time, and leaves out what takes a minute", () => {
  const each = { sequences: 1, promptTokens: 1000, tokens: 10, most: 4 };
  assertEquals(affordableRuns({ prefill: 10_000, decode: 100 }, each), 4);
  assertEquals(affordableRuns({ prefill: 125, decode: 10 }, each), 2);
  assertEquals(affordableRuns({ prefill: 25, decode: 10 }, each), 1);
  assertEquals(affordableRuns({ prefill: 16, decode: 10 }, each), 0);
});

Deno.test("affordableRuns counts every sequence of a batch", () => {
  const each = { promptTokens: 100, tokens: 10, most: 9 };
  const speed = { prefill: 100, decode: 10 };
  assertEquals(affordableRuns(speed, { ...each, sequences: 1 }), 9);
  assertEquals(affordableRuns(speed, { ...each, sequences: 5 }), 2);
});

Deno.test("decodeTokensAt asks less of slow engines, within bounds", () => {
  assertEquals(decodeTokensAt({ prefill: 1, decode: 1 }, 64), 8);
  assertEquals(decodeTokensAt({ prefill: 1, decode: 15 }, 64), 30);
  assertEquals(decodeTokensAt({ prefill: 1, decode: 900 }, 64), 64);
});
