/**
 * Weights in the layout of ONNX Runtime's MatMulNBits: blocks of 32 along a row that share one F32
 * scale, symmetric, without zero points. 4 bits: w = scale * (q - 8), two in a byte, the even one
 * low. 8 bits: w = scale * (q - 128).
 */

export const BLOCK_WEIGHTS = 32;

export type WeightBits = 4 | 8;

export interface WeightBlocks {
  readonly quants: Uint8Array;
  readonly scales: Float32Array;
}

/** Quantises whole rows. Throws a RangeError where the weights are not whole blocks. */
export function quantiseBlocks(weights: Float32Array, bits: WeightBits): WeightBlocks {
  if (weights.length % BLOCK_WEIGHTS !== 0) {
    throw new RangeError(`Cannot quantise ${weights.length} weights: blocks hold ${BLOCK_WEIGHTS}`);
  }
  const blocks = weights.length / BLOCK_WEIGHTS;
  const quants = new Uint8Array(weights.length * bits / 8);
  const scales = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const values = weights.subarray(block * BLOCK_WEIGHTS, (block + 1) * BLOCK_WEIGHTS);
    const scale = blockScale(values, bits);
    scales[block] = scale;
    const at = block * BLOCK_WEIGHTS;
    for (const [i, value] of values.entries()) {
      const quant = quantOf(value, scale, bits);
      if (bits === 8) quants[at + i] = quant;
      else quants[(at + i) >> 1] |= quant << (4 * (i & 1));
    }
  }
  return { quants, scales };
}

/**
 * The quant range is one longer below zero than above. With 4 bits that step counts: the largest
 * weight gets it, whatever its sign.
 */
function blockScale(values: Float32Array, bits: WeightBits): number {
  let largest = 0;
  for (const value of values) if (Math.abs(value) > Math.abs(largest)) largest = value;
  return bits === 4 ? largest / -8 : Math.abs(largest) / 127;
}

function quantOf(value: number, scale: number, bits: WeightBits): number {
  const middle = 2 ** (bits - 1);
  if (scale === 0) return middle;
  return Math.min(2 * middle - 1, Math.max(0, Math.round(value / scale) + middle));
}
