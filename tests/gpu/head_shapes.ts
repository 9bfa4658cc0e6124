/** Shapes of small models whose heads share keys and values in any number, with odd sizes. */

import type { ModelFile, TensorType } from "../../shared/weights/model_file.ts";
import { tinyModel } from "./tiny_model.ts";

export interface HeadShape {
  readonly kvHeads: number;
  /** Heads that share keys and values. */
  readonly sharing: number;
  readonly headDim: number;
  readonly type: TensorType;
  readonly layers?: number;
  readonly hidden?: number;
  readonly feedForward?: number;
  readonly vocab?: number;
}

export const HEAD_SHAPES: readonly HeadShape[] = [
  { kvHeads: 1, sharing: 1, headDim: 64, type: "Q8_0", vocab: 41 },
  { kvHeads: 3, sharing: 1, headDim: 48, type: "F16", layers: 2 },
  { kvHeads: 2, sharing: 2, headDim: 80, type: "Q4_0", vocab: 33, hidden: 96 },
  { kvHeads: 3, sharing: 3, headDim: 32, type: "Q4_1", layers: 2 },
  { kvHeads: 2, sharing: 4, headDim: 20, type: "Q8_0", vocab: 9, layers: 3 },
  { kvHeads: 1, sharing: 5, headDim: 128, type: "Q4_1" },
  { kvHeads: 5, sharing: 6, headDim: 12, type: "BF16", hidden: 36, feedForward: 52 },
  { kvHeads: 2, sharing: 7, headDim: 16, type: "Q4_0", vocab: 7 },
  { kvHeads: 1, sharing: 8, headDim: 256, type: "Q6_K", hidden: 256, feedForward: 256 },
  { kvHeads: 1, sharing: 16, headDim: 4, type: "F32", hidden: 20, vocab: 50 },
];

/** A model of random weights. */
export function modelOf({ kvHeads, sharing, headDim, type, ...rest }: HeadShape): ModelFile {
  const heads = kvHeads * sharing;
  const size = { layers: 1, hidden: 64, feedForward: 96, vocab: 75, ...rest };
  return tinyModel({ type, shape: { ...size, heads, kvHeads, headDim, ropeDim: headDim } });
}
