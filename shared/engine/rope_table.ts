/**
 * Cosine and sine of each position's angles: [positions, ropeDim / 2] pairs.
 *
 * Made in double precision: `position * frequency` in f32 is off by 5e-4 rad at position 8191.
 */
export function ropeTable(
  positions: number,
  options: { readonly ropeDim: number; readonly ropeTheta: number },
): Float32Array<ArrayBuffer> {
  const { ropeDim, ropeTheta } = options;
  const pairs = ropeDim / 2;
  const table = new Float32Array(positions * ropeDim);
  for (let pair = 0; pair < pairs; pair++) {
    const frequency = ropeTheta ** (-2 * pair / ropeDim);
    for (let position = 0; position < positions; position++) {
      const at = (position * pairs + pair) * 2;
      table[at] = Math.cos(position * frequency);
      table[at + 1] = Math.sin(position * frequency);
    }
  }
  return table;
}
