/**
 * silu(gate) * up, row by row.
 * @param x [rows, 2 * columns]: gate, then up
 * @returns [rows, columns]
 */
export function swigluReference(x: Float32Array, columns: number): Float32Array<ArrayBuffer> {
  const rows = x.length / (2 * columns);
  const y = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < columns; i++) {
      const gate = x[2 * r * columns + i];
      const up = x[(2 * r + 1) * columns + i];
      y[r * columns + i] = gate / (1 + Math.exp(-gate)) * up;
    }
  }
  return y;
}
