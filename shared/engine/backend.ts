/**
 * The step interface: what a device backend does for the engine.
 *
 * It speaks of sequences, blocks, rows and results, never of buffers or shaders. A step is a batch:
 * slices of several sequences, prefill chunks and decode rows alike. Every row is accumulated in one
 * fixed order whatever the batch, so a row's result depends on its own sequence only.
 */

import type { ModelFile, ModelShape } from "../weights/model_file.ts";

/** Tokens in one KV block. */
export const BLOCK_TOKENS = 16;

/** What a backend computes on. */
export interface DeviceInfo {
  readonly backend: "webgpu" | "cpu" | "simulated";
  /** The device's own description, such as "llvmpipe (LLVM 15.0.6, 256 bits)". */
  readonly adapter: string;
  readonly isSoftware: boolean;
  /** How the kernels are shaped for this adapter, for logs. */
  readonly kernels?: string;
}

/**
 * One KV block as it travels between workers: for each layer the keys, then the values, each
 * `[BLOCK_TOKENS, kvHeads, headDim]` little-endian f32, keys already rotated.
 */
export interface KvLayout {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly blockBytes: number;
}

/** How to choose a token; `temperature` 0 is greedy and ignores the rest. */
export interface SampleParameters {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
}

/** Consecutive tokens of one sequence in one step. */
export interface SequenceSlice {
  /** Physical block of each BLOCK_TOKENS positions, from position 0 to the slice's last one. */
  readonly blockTable: readonly number[];
  /** Position of `tokens[0]`; the KV of all earlier positions is in the blocks. */
  readonly startPosition: number;
  readonly tokens: readonly number[];
  /** Sample the token that follows the slice's last one; null for a chunk that ends mid-prompt. */
  readonly sample: SampleParameters | null;
  /** Return the logits of every row of this slice. For accuracy tests and log probabilities. */
  readonly wantLogits?: boolean;
}

export interface SliceResult {
  /** The sampled token, null where the slice asked for none. */
  readonly token: number | null;
  /** [tokens, vocab], where asked for. */
  readonly logits?: Float32Array;
}

export interface StepResult {
  /** One for each slice, in order. */
  readonly slices: readonly SliceResult[];
  /** Device time from timestamp queries, where the adapter has them. */
  readonly deviceTimeNs?: number;
  /** In order and without overlap, where the step was asked to time them and the device can. */
  readonly passes?: readonly PassTime[];
}

/** One pass of a step as the device timed it. */
export interface PassTime {
  /** `embed`, `layers`, `output` (final norm and logits) or `sample`. */
  readonly name: "embed" | "layers" | "output" | "sample";
  /** Since the start of the step on the device. */
  readonly startMs: number;
  readonly durationMs: number;
  /** Time in each kind of work of the pass, summed over the layers; empty for a pass of one kind. */
  readonly kinds: Readonly<Partial<Record<"linear" | "attention" | "other", number>>>;
}

export interface StepOptions {
  /** Time each pass; it may slow the step. */
  readonly timePasses?: boolean;
}

export interface BackendLimits {
  /** Rows (tokens) that one step may hold over all slices. */
  readonly maxRows: number;
  /** Slices that one step may hold. */
  readonly maxSlices: number;
  readonly totalBlocks: number;
}

/** A device with the model's weights and a paged KV cache on it. Not thread-safe: one step at a time. */
export interface Backend extends AsyncDisposable {
  readonly device: DeviceInfo;
  readonly shape: ModelShape;
  readonly kv: KvLayout;
  readonly limits: BackendLimits;
  /** Resolves with the reason when the device cannot go on, also between steps; else never. */
  readonly failed: Promise<DeviceError>;
  /** Runs one batch. Rejects with a DeviceError when the device is lost or refuses the work. */
  step(slices: readonly SequenceSlice[], options?: StepOptions): Promise<StepResult>;
  /** Reads whole blocks, in KvLayout order. [blocks.length * kv.blockBytes] */
  readBlocks(blocks: readonly number[]): Promise<Uint8Array<ArrayBuffer>>;
  /** Writes whole blocks. Ordered before every later step. */
  writeBlocks(blocks: readonly number[], data: Uint8Array<ArrayBuffer>): void;
}

export interface BackendOptions {
  /** Tokens that the KV cache holds over all sequences. */
  readonly kvCacheTokens: number;
  /** Rows that one step may hold. */
  readonly maxRows: number;
  /** Slices that one step may hold. */
  readonly maxSlices: number;
  /** Called with the share of weights loaded, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** Which backend to open: `auto` takes WebGPU where there is a hardware adapter, else the CPU. */
export type DeviceChoice = "auto" | "webgpu" | "cpu";

/** Opens a device and loads a model onto it. Rejects with a DeviceError that says what to change. */
export type OpenBackend = (model: ModelFile, options: BackendOptions) => Promise<Backend>;

/** The device is missing, too small, failed its self-test or was lost. The message says what to do. */
export class DeviceError extends Error {
  override name = "DeviceError";
}
