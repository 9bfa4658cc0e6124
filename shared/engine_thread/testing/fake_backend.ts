/**
 * A backend without a device, for tests: its "model" is a hash over the KV that its block tables lead to.
 *
 * The KV of a position is a hash of the KV of all earlier positions and of the token, so a wrong table, a
 * missing block or a wrong order changes every token after it. It refuses what no backend should see:
 * steps over its limits, tables of the wrong length, KV read before it was written, and one slice writing
 * to a block that another slice of the step uses.
 */

import type { ModelShape } from "../../weights/model_file.ts";
import {
  type Backend,
  type BackendLimits,
  BLOCK_TOKENS,
  type DeviceError,
  type DeviceInfo,
  type KvLayout,
  type SampleParameters,
  type SequenceSlice,
  type StepResult,
} from "../../engine/backend.ts";

/** One u32 key and one u32 value for each position. */
const BLOCK_BYTES = 2 * BLOCK_TOKENS * 4;

export interface FakeBackendOptions extends Partial<BackendLimits> {
  readonly contextLength?: number;
  readonly vocab?: number;
  readonly deviceTimeNs?: number;
  /** Resolves when the device fails between steps; never by default. */
  readonly failed?: Promise<DeviceError>;
  /** Called in each step before anything is computed; what it throws, the step rejects with. */
  readonly onStep?: (slices: readonly SequenceSlice[]) => void | Promise<void>;
  /** Called when blocks are read or written. */
  readonly onCopy?: () => void;
}

export class FakeBackend implements Backend {
  readonly device: DeviceInfo = { backend: "webgpu", adapter: "fake", isSoftware: true };
  readonly kv: KvLayout = { layers: 1, kvHeads: 1, headDim: 1, blockBytes: BLOCK_BYTES };
  readonly limits: BackendLimits;
  readonly shape: ModelShape;
  readonly #options: FakeBackendOptions;
  /** [totalBlocks, key or value, BLOCK_TOKENS]; 0 is "never written". */
  readonly #cache: Uint32Array<ArrayBuffer>;
  readonly failed: Promise<DeviceError>;
  isClosed = false;

  constructor(options: FakeBackendOptions = {}) {
    const { maxRows = 64, maxSlices = 8, totalBlocks = 64 } = options;
    this.#options = options;
    this.limits = { maxRows, maxSlices, totalBlocks };
    this.failed = options.failed ?? new Promise(() => {});
    this.shape = fakeShape(options.contextLength ?? 512, options.vocab ?? 1000);
    this.#cache = new Uint32Array(totalBlocks * 2 * BLOCK_TOKENS);
  }

  async step(slices: readonly SequenceSlice[]): Promise<StepResult> {
    await this.#options.onStep?.(slices);
    this.#check(slices);
    const results = slices.map((slice) => ({ token: this.#run(slice) }));
    return { slices: results, deviceTimeNs: this.#options.deviceTimeNs };
  }

  async readBlocks(blocks: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
    this.#options.onCopy?.();
    const data = new Uint8Array(blocks.length * BLOCK_BYTES);
    blocks.forEach((block, index) => data.set(this.#blockBytes(block), index * BLOCK_BYTES));
    return data;
  }

  writeBlocks(blocks: readonly number[], data: Uint8Array<ArrayBuffer>): void {
    this.#options.onCopy?.();
    if (data.length !== blocks.length * BLOCK_BYTES) throw new Error("writeBlocks: wrong length");
    blocks.forEach((block, index) => {
      const start = index * BLOCK_BYTES;
      this.#blockBytes(block).set(data.subarray(start, start + BLOCK_BYTES));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
  }

  #blockBytes(block: number): Uint8Array {
    return new Uint8Array(this.#cache.buffer, block * BLOCK_BYTES, BLOCK_BYTES);
  }

  #run(slice: SequenceSlice): number | null {
    let state = 0;
    const end = slice.startPosition + slice.tokens.length;
    for (let position = 0; position < end; position++) {
      const block = slice.blockTable[Math.floor(position / BLOCK_TOKENS)];
      const key = block * 2 * BLOCK_TOKENS + position % BLOCK_TOKENS;
      const value = key + BLOCK_TOKENS;
      if (position >= slice.startPosition) {
        const token = slice.tokens[position - slice.startPosition];
        this.#cache[key] = keyOf(state, token);
        this.#cache[value] = valueOf(token, position);
      } else if (this.#cache[key] === 0 || this.#cache[value] === 0) {
        throw new Error(`KV of position ${position} is read before it was written`);
      }
      state = attend(state, this.#cache[key], this.#cache[value]);
    }
    return slice.sample === null ? null : sampleState(state, slice.sample, this.shape.vocab);
  }

  #check(slices: readonly SequenceSlice[]): void {
    const rows = slices.reduce((sum, { tokens }) => sum + tokens.length, 0);
    if (rows > this.limits.maxRows) throw new Error(`${rows} rows in a step`);
    if (slices.length > this.limits.maxSlices) throw new Error(`${slices.length} slices in a step`);
    const usesByBlock = new Map<number, number>();
    for (const { blockTable, startPosition, tokens } of slices) {
      if (blockTable.length !== Math.ceil((startPosition + tokens.length) / BLOCK_TOKENS)) {
        throw new Error(`${blockTable.length} blocks for ${startPosition} + ${tokens.length}`);
      }
      for (const block of blockTable) usesByBlock.set(block, (usesByBlock.get(block) ?? 0) + 1);
    }
    for (const { blockTable, startPosition } of slices) {
      for (const block of blockTable.slice(Math.floor(startPosition / BLOCK_TOKENS))) {
        if (usesByBlock.get(block) !== 1) throw new Error(`block ${block} is shared and written`);
      }
    }
  }
}

/** What the fake model generates, computed without blocks or batches. */
export function fakeText(
  prompt: readonly number[],
  options: {
    readonly maxTokens: number;
    readonly sampling: SampleParameters;
    readonly vocab?: number;
  },
): number[] {
  const { maxTokens, sampling, vocab = 1000 } = options;
  const tokens = [...prompt];
  let state = 0;
  for (let position = 0; position < prompt.length + maxTokens - 1; position++) {
    const token = tokens[position];
    state = attend(state, keyOf(state, token), valueOf(token, position));
    if (position >= prompt.length - 1) tokens.push(sampleState(state, sampling, vocab));
  }
  return tokens.slice(prompt.length);
}

function keyOf(state: number, token: number): number {
  return mix(state, token) || 1;
}

function valueOf(token: number, position: number): number {
  return mix(token, position + 1) || 1;
}

function attend(state: number, key: number, value: number): number {
  return mix(mix(state, key), value);
}

function sampleState(state: number, sampling: SampleParameters, vocab: number): number {
  return (sampling.temperature === 0 ? state : mix(state, sampling.seed)) % vocab;
}

function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function fakeShape(contextLength: number, vocab: number): ModelShape {
  return {
    architecture: "llama",
    contextLength,
    hidden: 1,
    feedForward: 1,
    layers: 1,
    heads: 1,
    kvHeads: 1,
    headDim: 1,
    vocab,
    ropeTheta: 10_000,
    ropeDim: 1,
    rmsEpsilon: 1e-5,
    isTied: true,
  };
}
