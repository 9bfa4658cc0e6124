/** Says before loading whether a model, its KV cache and its activations fit on the device. */

import type { ModelFile, ModelShape } from "../../weights/model_file.ts";
import { BLOCK_TOKENS, DeviceError } from "../backend.ts";
import { availableMemoryBytes, mib } from "../host_memory.ts";
import { sliceBytes } from "../kv_layout.ts";
import type { Gpu } from "./device.ts";
import { type LlamaPlan, planDeviceBytes } from "./llama_weights.ts";
import type { StepBounds } from "./step_rows.ts";

/** Device bytes by what needs them. */
export interface MemoryNeed {
  readonly weights: number;
  readonly kv: number;
  readonly activations: number;
}

export interface FitOptions {
  readonly model: ModelFile;
  readonly plan: LlamaPlan;
  readonly bounds: StepBounds;
}

export function memoryNeed({ model, plan, bounds }: FitOptions): MemoryNeed {
  const { shape } = model;
  const { hidden, feedForward, heads, kvHeads, headDim, vocab } = shape;
  const rowWidth = 2 * hidden + (2 * heads + 2 * kvHeads) * headDim + 3 * feedForward;
  return {
    weights: planDeviceBytes(plan),
    kv: bounds.totalBlocks * shape.layers * 2 * sliceBytes(shape),
    activations: 4 * (bounds.maxRows * rowWidth + bounds.maxSlices * (vocab + hidden)),
  };
}

/** Throws a DeviceError with the numbers where a buffer passes a limit or memory is too small. */
export function checkFit(gpu: Gpu, options: FitOptions): void {
  const { model, bounds } = options;
  const most = gpu.limits.maxStorageBufferBindingSize;
  checkBindings(model.shape, bounds, most);
  const need = memoryNeed(options);
  const total = need.weights + need.kv + need.activations;
  const available = gpu.isSoftware ? availableMemoryBytes() : undefined;
  if (available !== undefined && total > available) {
    throw new DeviceError(
      `Cannot load ${model.path}: it needs ${mib(total)} (weights ${mib(need.weights)}, KV cache ` +
        `${mib(need.kv)}, activations ${mib(need.activations)}), and this machine has ` +
        `${mib(available)} free: lower kvCacheTokens or choose a smaller model`,
    );
  }
}

function checkBindings(shape: ModelShape, bounds: StepBounds, most: number): void {
  const kvBytes = bounds.totalBlocks * sliceBytes(shape);
  if (kvBytes > most) {
    const tokens = Math.floor(most / sliceBytes(shape)) * BLOCK_TOKENS;
    throw new DeviceError(
      `Cannot hold a KV cache of ${bounds.totalBlocks * BLOCK_TOKENS} tokens: a layer would need ` +
        `${mib(kvBytes)}, and the adapter binds ${
          mib(most)
        }: set kvCacheTokens to ${tokens} or less`,
    );
  }
  const widest = Math.max(2 * shape.feedForward, shape.hidden);
  if (bounds.maxRows * widest * 4 > most) {
    throw new DeviceError(
      `Cannot run steps of ${bounds.maxRows} rows: their activations pass the adapter's binding ` +
        `limit of ${mib(most)}: set maxRows to ${Math.floor(most / (widest * 4))} or less`,
    );
  }
  if (bounds.maxSlices * shape.vocab * 4 > most) {
    throw new DeviceError(
      `Cannot run steps of ${bounds.maxSlices} slices: their logits pass the adapter's binding ` +
        `limit of ${mib(most)}: set maxSlices to ${Math.floor(most / (shape.vocab * 4))} or less`,
    );
  }
}
