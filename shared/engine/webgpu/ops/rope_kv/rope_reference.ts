/**
 * Rotates the first `ropeDim` dimensions of each head of one row by `position`, in place.
 * @param heads [heads, headDim]
 */
export function ropeReference(
  heads: Float32Array,
  position: number,
  options: { readonly headDim: number; readonly ropeDim: number; readonly ropeTheta: number },
): void {
  const { headDim, ropeDim, ropeTheta } = options;
  for (let head = 0; head < heads.length; head += headDim) {
    for (let d = 0; d < ropeDim; d += 2) {
      const angle = position * ropeTheta ** (-d / ropeDim);
      const [x, y] = [heads[head + d], heads[head + d + 1]];
      heads[head + d] = x * Math.cos(angle) - y * Math.sin(angle);
      heads[head + d + 1] = x * Math.sin(angle) + y * Math.cos(angle);
    }
  }
}
