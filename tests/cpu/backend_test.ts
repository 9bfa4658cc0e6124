import process from "node:process";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert/mod.js";
import { DeviceError, type PassTime, type SampleParameters } from "../../shared/engine/backend.ts";
import {
  type CpuBackend,
  type CpuBackendOptions,
  openCpuBackend,
} from "../../shared/engine/cpu/backend.ts";
import { sampleReference } from "../../shared/engine/sampling/sample_reference.ts";
import type { ModelFile } from "../../shared/weights/model_file.ts";
import { supportedTensorTypes } from "../../shared/weights/tensor_types.ts";
import { tinyModel } from "../gpu/tiny_model.ts";
import {
  assertLogitsClose,
  blocks,
  logitsOf,
  referenceLogits,
  slice,
  tokensOf,
} from "../kit/backend_slices.ts";
import { eventually } from "../kit/waits.ts";

const GREEDY: SampleParameters = { temperature: 0, topK: 0, topP: 1, seed: 0 };

async function open(
  model: ModelFile,
  options: Partial<CpuBackendOptions> = {},
): Promise<CpuBackend> {
  return await openCpuBackend(model, {
    kvCacheTokens: 1024,
    maxRows: 48,
    maxSlices: 4,
    threads: 2,
    ...options,
  });
}

/** Of the largest logit. */
const TOLERANCE = 5e-4;

Deno.test("step() gives a row the same bits alone, batched, chunked, and with any threads and dot product", async () => {
  const types = { attn_v: "Q4_1", attn_k: "F16", ffn_down: "Q4_0", ffn_up: "F32" } as const;
  const model = tinyModel({ types });
  const { vocab } = model.shape;
  const tokens = tokensOf(37, 3, vocab);
  let first: Float32Array | undefined;
  for (const hasByteDot of [undefined, false]) {
    for (const threads of [1, 2, 3]) {
      await using backend = await open(model, { threads, hasByteDot });
      const whole = await logitsOf(backend, slice(tokens));
      assertLogitsClose(whole, await referenceLogits(model, tokens), TOLERANCE);
      first ??= whole;
      assertEquals(whole, first, `${threads} threads`);
      let at = 0;
      for (const size of [1, 1, 2, 3, 4, 5, 1, 9, 11]) {
        const part = slice(tokens.slice(at, at + size), {
          blockTable: blocks(1),
          startPosition: at,
          wantLogits: true,
        });
        const other = slice(tokensOf(size, at, vocab), { blockTable: blocks(2), sample: GREEDY });
        const { slices: [, result] } = await backend.step([other, part]);
        assertEquals(result.logits, whole.slice(at * vocab, (at + size) * vocab), `from ${at}`);
        at += size;
      }
    }
  }
});

Deno.test("step() gives a row the same bits however the chunks of a long context are spread", async () => {
  const model = tinyModel();
  const { vocab } = model.shape;
  const tokens = tokensOf(300, 3, vocab);
  const blockTable = Array.from({ length: 19 }, (_, block) => 19 - block);
  const lastOf = async (options: Partial<CpuBackendOptions>, steps: readonly number[]) => {
    await using backend = await open(model, { maxRows: 320, ...options });
    let at = 0;
    let last = new Float32Array();
    for (const size of steps) {
      const part = slice(tokens.slice(at, at + size), { blockTable, startPosition: at });
      last = new Float32Array(await logitsOf(backend, part)).slice((size - 1) * vocab);
      at += size;
    }
    return last;
  };
  const whole = await lastOf({}, [300]);
  assertEquals(await lastOf({ threads: 1 }, [299, 1]), whole);
  assertEquals(await lastOf({ maxRows: 150 }, [150, 148, 2]), whole);
  const expected = await referenceLogits(model, tokens);
  assertLogitsClose(whole, expected.slice(299 * vocab), TOLERANCE);
});

Deno.test("step() equals the reference for every tensor type", async () => {
  for (const type of supportedTensorTypes()) {
    const shape = type === "Q6_K"
      ? { hidden: 256, feedForward: 512, heads: 4, kvHeads: 2, headDim: 64 }
      : { hidden: 64 * 3, feedForward: 224, vocab: 61 };
    const model = tinyModel({ type, shape });
    await using backend = await open(model);
    const tokens = tokensOf(9, 1, model.shape.vocab);
    const expected = await referenceLogits(model, tokens);
    const all = await logitsOf(backend, slice(tokens));
    assertLogitsClose(all, expected, TOLERANCE);
    const alone = await logitsOf(backend, slice(tokens.slice(0, 1), { blockTable: blocks(1) }));
    assertEquals(alone, all.slice(0, model.shape.vocab), `${type}, a row alone`);
  }
});

Deno.test("step() equals the reference for untied, mixed and odd shapes", async () => {
  const models = [
    tinyModel({ type: "F32", shape: { heads: 2, kvHeads: 2, headDim: 48, ropeDim: 48 } }),
    tinyModel({
      type: "F32",
      shape: { hidden: 36, feedForward: 52, heads: 3, kvHeads: 1, headDim: 12, ropeDim: 6 },
    }),
    tinyModel({ type: "F16", types: { ffn_down: "BF16" }, shape: { isTied: false, vocab: 33 } }),
    tinyModel({
      type: "Q4_1",
      types: { attn_v: "Q6_K", ffn_down: "Q6_K", token_embd: "Q6_K", output: "Q8_0" },
      shape: {
        hidden: 256,
        feedForward: 512,
        heads: 4,
        kvHeads: 4,
        headDim: 64,
        ropeDim: 32,
        isTied: false,
      },
    }),
  ];
  for (const model of models) {
    await using backend = await open(model);
    const tokens = tokensOf(9, 1, model.shape.vocab);
    assertLogitsClose(
      await logitsOf(backend, slice(tokens)),
      await referenceLogits(model, tokens),
      TOLERANCE,
    );
  }
});

Deno.test("step() samples each slice by its own parameters and position", async () => {
  const model = tinyModel();
  await using backend = await open(model);
  const { vocab } = model.shape;
  const samples: (SampleParameters | null)[] = [
    GREEDY,
    null,
    { temperature: 0.8, topK: 20, topP: 0.9, seed: 7 },
    { temperature: 1.3, topK: 0, topP: 1, seed: 123_456_789 },
  ];
  for (let round = 0; round < 5; round++) {
    const slices = samples.map((sample, i) =>
      slice(tokensOf(i + 1 + round, 10 * i + round, vocab), {
        blockTable: blocks(i),
        sample,
        wantLogits: true,
      })
    );
    const result = await backend.step(slices);
    for (const [i, { token, logits }] of result.slices.entries()) {
      const sample = samples[i];
      const rows = slices[i].tokens.length;
      assertEquals(logits!.length, rows * vocab);
      const last = logits!.subarray((rows - 1) * vocab);
      assertEquals(token, sample && sampleReference(last, sample, rows));
    }
  }
  const wrong = { ...GREEDY, topP: 2 };
  await assertRejects(() => backend.step([slice([1], { sample: wrong })]), RangeError, "topP 2");
});

Deno.test("step() returns logits of more rows than a step has slices", async () => {
  const model = tinyModel();
  await using backend = await open(model, { maxSlices: 2 });
  const tokens = tokensOf(11, 5, model.shape.vocab);
  const [a, b] = [slice(tokens), slice(tokens.slice(0, 7), { blockTable: blocks(1) })];
  const { slices } = await backend.step([
    { ...a, wantLogits: true, sample: GREEDY },
    { ...b, wantLogits: true, sample: GREEDY },
  ]);
  assertEquals(slices[0].logits, await logitsOf(backend, a));
  assertEquals(slices[1].logits, slices[0].logits?.slice(0, 7 * model.shape.vocab));
});

Deno.test("step() with timePasses times each pass and computes the same, bit for bit", async () => {
  const model = tinyModel({ shape: { layers: 3 } });
  const { vocab } = model.shape;
  const sample = { temperature: 0.9, topK: 0, topP: 0.9, seed: 3 };
  for (const threads of [1, 3]) {
    await using backend = await open(model, { threads, maxSlices: 2 });
    const slices = [
      slice(tokensOf(3, 3, vocab), { sample, wantLogits: true }),
      slice(tokensOf(1, 8, vocab), { blockTable: blocks(1), sample, wantLogits: true }),
    ];
    const untimed = await backend.step(slices);
    const kv = await backend.readBlocks([blocks(0)[0], blocks(1)[0]]);
    const timed = await backend.step(slices, { timePasses: true });
    assertEquals(timed.slices, untimed.slices);
    assertEquals(await backend.readBlocks([blocks(0)[0], blocks(1)[0]]), kv);
    assertEquals(untimed.passes, undefined);
    // Four rows of logits, two at a time.
    assertPasses(timed.passes, ["embed", "layers", "output", "sample", "output"]);
    const unsampled = await backend.step([slice([1, 2, 3])], { timePasses: true });
    assertPasses(unsampled.passes, ["embed", "layers"]);
  }
});

/** In order and without overlap; the layers' kinds make up the layers. */
function assertPasses(passes: readonly PassTime[] | undefined, names: readonly string[]): void {
  assertEquals(passes?.map(({ name }) => name), names);
  let endMs = 0;
  for (const { name, startMs, durationMs, kinds } of passes!) {
    assert(startMs >= endMs - 1e-6 && durationMs >= 0, `${name} begins at ${startMs} ms`);
    endMs = startMs + durationMs;
    if (name !== "layers") {
      assertEquals(kinds, {});
      continue;
    }
    const { linear = 0, attention = 0, other = 0 } = kinds;
    assert(linear > 0 && attention > 0 && other > 0, JSON.stringify(kinds));
    assertAlmostEquals(linear + attention + other, durationMs, 1e-6);
  }
  assertEquals(passes![0].startMs, 0);
}

Deno.test("step() without sampling or logits still computes the KV that later steps read", async () => {
  const model = tinyModel();
  await using backend = await open(model);
  const tokens = tokensOf(20, 5, model.shape.vocab);
  const whole = await logitsOf(backend, slice(tokens));
  const first = slice(tokens.slice(0, 19), { blockTable: blocks(1) });
  assertEquals((await backend.step([first])).slices, [{ token: null }]);
  const last = await logitsOf(backend, { ...first, startPosition: 19, tokens: [tokens[19]] });
  assertEquals(last, whole.slice(19 * model.shape.vocab));
});

Deno.test("step() ignores what a block's earlier owner left behind a sequence's last position", async () => {
  const model = tinyModel();
  await using backend = await open(model);
  const tokens = tokensOf(21, 4, model.shape.vocab);
  const clean = await logitsOf(backend, slice(tokens));
  const stale = new Uint8Array(new Float32Array(2 * backend.kv.blockBytes / 4).fill(NaN).buffer);
  backend.writeBlocks(blocks(1).slice(0, 2), stale);
  for (const [at, token] of tokens.entries()) {
    const part = slice([token], { blockTable: blocks(1), startPosition: at });
    const { vocab } = model.shape;
    const expected = clean.slice(at * vocab, (at + 1) * vocab);
    assertEquals(await logitsOf(backend, part), expected, `position ${at}`);
  }
});

Deno.test("readBlocks() and writeBlocks() carry a sequence to another CPU backend", async () => {
  const model = tinyModel();
  await using from = await open(model);
  await using to = await open(model, { kvCacheTokens: 256, threads: 1 });
  const tokens = tokensOf(40, 9, model.shape.vocab);
  await from.step([slice(tokens)]);
  const data = await from.readBlocks(blocks(0).slice(0, 3));
  assertEquals(data.length, 3 * from.kv.blockBytes);
  to.writeBlocks([11, 4, 9], data);
  const next = { startPosition: 40, tokens: [17], sample: null };
  assertEquals(
    await logitsOf(to, { ...next, blockTable: [11, 4, 9] }),
    await logitsOf(from, { ...next, blockTable: blocks(0) }),
  );
  assertEquals(await to.readBlocks([11, 4]), data.slice(0, 2 * from.kv.blockBytes));
});

Deno.test("readBlocks() gives keys then values of each layer, keys rotated", async () => {
  const model = tinyModel({ shape: { layers: 3 } });
  await using backend = await open(model);
  const { vocab, kvHeads, headDim, layers } = model.shape;
  const [token, other] = tokensOf(2, 4, vocab);
  await backend.step([slice([token, other, token])]);
  const floats = new Float32Array((await backend.readBlocks(blocks(0).slice(0, 1))).buffer);
  assertEquals(floats.length, layers * 2 * 16 * kvHeads * headDim);
  const width = kvHeads * headDim;
  const row = (part: number, position: number) =>
    floats.slice((part * 16 + position) * width, (part * 16 + position + 1) * width);
  assertNotEquals(row(0, 0), row(0, 2));
  assertEquals(row(1, 0), row(1, 2));
  assertNotEquals(row(1, 0), row(1, 1));
});

Deno.test("openCpuBackend() reports progress up to 1 and what it runs on", async () => {
  const shares: number[] = [];
  await using backend = await open(tinyModel(), { onProgress: (share) => shares.push(share) });
  assertEquals(shares.at(-1), 1);
  assertEquals(shares, shares.toSorted((a, b) => a - b));
  assertEquals(backend.device.backend, "cpu");
  assertMatch(backend.device.adapter, /, 2 threads$/);
  assertEquals(backend.limits, { maxRows: 48, maxSlices: 4, totalBlocks: 64 });
});

Deno.test("openCpuBackend() refuses what does not fit, with numbers, before it reads", async () => {
  const model: ModelFile = {
    ...tinyModel({ shape: { contextLength: 2 ** 24 } }),
    read: () => Promise.reject(new Error("read")),
  };
  await assertRejects(
    () => open(model, { kvCacheTokens: 2 ** 24 }),
    DeviceError,
    "KV cache 8193 MiB",
  );
  const heads = { heads: 2, kvHeads: 2, headDim: 18, ropeDim: 18 };
  await assertRejects(
    () => open(tinyModel({ type: "F32", shape: heads })),
    DeviceError,
    "its head dimension is 18",
  );
});

Deno.test("openCpuBackend() names a missing tensor and passes on a failed read", async () => {
  const model = tinyModel();
  const tensors = new Map(model.tensors);
  tensors.delete("blk.1.ffn_up.weight");
  await assertRejects(() => open({ ...model, tensors }), DeviceError, "blk.1.ffn_up.weight");
  const read = () => Promise.reject(new Error("disk gone"));
  await assertRejects(() => open({ ...model, read }), Error, "disk gone");
});

Deno.test("a CPU backend starts with an empty cache, whatever it ran to get warm", async () => {
  await using backend = await open(tinyModel());
  const blocks = await backend.readBlocks([0, 1]);
  assert(blocks.every((byte) => byte === 0), "KV was left behind");
});

Deno.test("a CPU backend that is closed refuses work", async () => {
  const backend = await open(tinyModel());
  await backend[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  await assertRejects(() => backend.step([slice([1])]), DeviceError, "it is closed");
  assertThrows(() => backend.writeBlocks([0], new Uint8Array()), DeviceError, "it is closed");
});

Deno.test("readBlocks() and writeBlocks() refuse unknown blocks and wrong sizes", async () => {
  await using backend = await open(tinyModel());
  await assertRejects(() => backend.readBlocks([64]), RangeError, "the cache has 64");
  assertThrows(() => backend.writeBlocks([-1], new Uint8Array()), RangeError, "KV block -1");
  const short = new Uint8Array(backend.kv.blockBytes - 4);
  assertThrows(() => backend.writeBlocks([0], short), RangeError, "bytes given");
});

Deno.test("an idle CPU backend uses no CPU", async () => {
  await using backend = await open(tinyModel(), { threads: 3 });
  await backend.step([slice([1, 2, 3])]);
  // What the steps before made hot may still be compiled.
  await eventually(async () => {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { user, system } = process.cpuUsage(before);
    return user + system < 100_000;
  });
});
