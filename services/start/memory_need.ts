/** Whether the workers of one machine fit in its memory. */

import { format } from "@std/fmt/bytes.js";
import { blocksFor, kvLayout } from "../../shared/engine/kv_layout.ts";
import { ProvisionError } from "../../shared/provision/mod.ts";
import type { ModelFile } from "../../shared/weights/mod.ts";

/** The runtime, the driver, activations and tables of a worker that has no model yet. */
const WORKER_BYTES = 200 * 1024 * 1024;

export interface MemoryNeed {
  /** What one worker holds of the model: see `modelBytes`. */
  readonly modelBytes: number;
  readonly availableBytes: number;
  readonly workerCount: number;
  /** The device is the CPU: its memory is the machine's. */
  readonly isSoftware: boolean;
}

/** Bytes of a model's weights and of a KV cache of `kvCacheTokens` tokens. */
export function modelBytes({ shape, tensors }: ModelFile, kvCacheTokens: number): number {
  const weights = tensors.values().reduce((sum, { byteLength }) => sum + byteLength, 0);
  return weights + blocksFor(kvCacheTokens) * kvLayout(shape).blockBytes;
}

/**
 * Refuses a model whose copies cannot fit in memory. Only a CPU shares the machine's memory for
 * sure; what a GPU holds shows when the worker loads the weights.
 */
export function checkMemory(need: MemoryNeed): void {
  if (!need.isSoftware) return;
  const { workerCount, availableBytes } = need;
  const neededBytes = workerCount * (need.modelBytes + WORKER_BYTES);
  if (neededBytes <= availableBytes) return;
  throw new ProvisionError(
    `Cannot run this model: ${workerCount} workers need about ${format(neededBytes)} of ` +
      `memory and ${format(availableBytes)} are free; take a smaller model with --model, fewer ` +
      "workers with --prefill 0, or a smaller cache with DYN_KV_CACHE_TOKENS",
  );
}
