/**
 * softmax(q * k / sqrt(headDim)) * v of one row.
 * @param query [heads, headDim]
 * @param keys [positions, kvHeads, headDim]
 * @param values [positions, kvHeads, headDim]
 * @returns [heads, headDim]
 */
export function attentionReference(
  query: Float32Array,
  cache: { readonly keys: Float32Array; readonly values: Float32Array },
  shape: { readonly heads: number; readonly kvHeads: number; readonly headDim: number },
): Float32Array<ArrayBuffer> {
  const { heads, kvHeads, headDim } = shape;
  const positions = cache.keys.length / (kvHeads * headDim);
  const output = new Float32Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor(head * kvHeads / heads);
    const at = (position: number) => (position * kvHeads + kvHead) * headDim;
    const scores = Array.from({ length: positions }, (_, position) => {
      let dot = 0;
      for (let d = 0; d < headDim; d++) {
        dot += query[head * headDim + d] * cache.keys[at(position) + d];
      }
      return dot / Math.sqrt(headDim);
    });
    const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = scores.map((score) => Math.exp(score - top));
    const mass = weights.reduce((a, b) => a + b, 0);
    for (let d = 0; d < headDim; d++) {
      let sum = 0;
      for (let p = 0; p < positions; p++) sum += weights[p] * cache.values[at(p) + d];
      output[head * headDim + d] = sum / mass;
    }
  }
  return output;
}
