import { assert, assertAlmostEquals, assertEquals } from "@std/assert/mod.js";
import type { ModelShape } from "../../weights/model_file.ts";
import { attend, linear, rmsNorm, rotate, swiglu } from "./layers.ts";

const SHAPE: ModelShape = {
  architecture: "llama",
  contextLength: 32,
  hidden: 8,
  feedForward: 8,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headDim: 4,
  vocab: 8,
  ropeTheta: 10_000,
  ropeDim: 4,
  rmsEpsilon: 1e-5,
  isTied: true,
};

Deno.test("linear() multiplies each weight row with the input, in fours and what is left", () => {
  for (const outputs of [1, 3, 4, 6, 9]) {
    const data = Float32Array.from({ length: outputs * 3 }, (_, i) => i);
    const y = linear(Float32Array.of(1, 10, 100), { data, outputs, inputs: 3 });
    const expected = Array.from({ length: outputs }, (_, n) => {
      return 3 * n + 10 * (3 * n + 1) + 100 * (3 * n + 2);
    });
    assertEquals([...y], expected);
  }
});

Deno.test("rmsNorm() scales to a root mean square of 1 and applies the weight", () => {
  const y = rmsNorm(Float32Array.of(3, -4, 0, 0), Float32Array.of(1, 1, 1, 5), 0);
  assertAlmostEquals(y[0], 3 / 2.5, 1e-6);
  assertAlmostEquals(y[1], -4 / 2.5, 1e-6);
  assertEquals(y[3], 0);
});

Deno.test("rmsNorm() of zeros stays zero thanks to epsilon", () => {
  assertEquals([...rmsNorm(new Float32Array(2), Float32Array.of(1, 1), 1e-5)], [0, 0]);
});

Deno.test("rotate() turns the interleaved pair (2i, 2i + 1) of every head by position * theta^(-2i/d)", () => {
  const x = Float32Array.of(1, 0, 1, 0, 0, 1, 0, 1);
  rotate(x, 3, SHAPE);
  const [fast, slow] = [3, 3 / 100];
  const expected = [
    ...[Math.cos(fast), Math.sin(fast), Math.cos(slow), Math.sin(slow)],
    ...[-Math.sin(fast), Math.cos(fast), -Math.sin(slow), Math.cos(slow)],
  ];
  for (const [i, value] of expected.entries()) assertAlmostEquals(x[i], value, 1e-6);
});

Deno.test("rotate() leaves the dimensions past ropeDim as they are", () => {
  const x = Float32Array.of(1, 2, 3, 4);
  rotate(x, 5, { ...SHAPE, ropeDim: 2 });
  assertEquals([x[2], x[3]], [3, 4]);
  assert(x[0] !== 1);
});

Deno.test("rotate() makes products of queries and keys depend on their distance only", () => {
  const product = (queryPosition: number, keyPosition: number) => {
    const [q, k] = [Float32Array.of(1, 2, -1, 0.5), Float32Array.of(0.3, -2, 1, 1)];
    rotate(q, queryPosition, SHAPE);
    rotate(k, keyPosition, SHAPE);
    return q.reduce((sum, value, i) => sum + value * k[i], 0);
  };
  assertAlmostEquals(product(9, 4), product(25, 20), 1e-5);
});

Deno.test("attend() averages values by the softmax of scaled products, up to its own position", () => {
  const q = Float32Array.of(2, 0, 0, 0, 0, 0, 0, 0); // head 1 asks for nothing: equal weights
  const cache = {
    keys: Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0, 99, 99, 99, 99),
    values: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 99, 99, 99, 99),
  };
  const mixed = attend(q, cache, { position: 1, shape: SHAPE });
  const first = Math.E / (Math.E + 1); // scores 2 * 1 / sqrt(4) and 0
  for (const i of [0, 1, 2, 3]) {
    assertAlmostEquals(mixed[i], first * (i + 1) + (1 - first) * (i + 5), 1e-5);
    assertAlmostEquals(mixed[4 + i], i + 3, 1e-5);
  }
});

Deno.test("attend() gives each group of query heads its own KV head", () => {
  const shape = { ...SHAPE, heads: 4, kvHeads: 2, headDim: 2 };
  const cache = { keys: new Float32Array(4), values: Float32Array.of(1, 2, 3, 4) };
  const mixed = attend(new Float32Array(8), cache, { position: 0, shape });
  assertEquals([...mixed], [1, 2, 1, 2, 3, 4, 3, 4]);
});

Deno.test("attend() survives products beyond the range of exp", () => {
  const cache = { keys: Float32Array.of(1e4, 0, 0, 0, 0, 0, 0, 0), values: new Float32Array(8) };
  cache.values.set([1, 1, 1, 1]);
  const q = Float32Array.of(1e4, 0, 0, 0, 1e4, 0, 0, 0);
  assertEquals([...attend(q, cache, { position: 1, shape: SHAPE })], new Array(8).fill(1));
});

Deno.test("swiglu() multiplies silu(gate) with up", () => {
  const y = swiglu(Float32Array.of(0, 1, -100), Float32Array.of(5, 2, 3));
  assertEquals(y[0], 0);
  assertAlmostEquals(y[1], 2 / (1 + Math.exp(-1)), 1e-6);
  assertAlmostEquals(y[2], 0, 1e-6);
});
