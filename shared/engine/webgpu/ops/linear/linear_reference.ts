/**
 * y = x * w^T in double precision.
 * @param x [rows, columns]
 * @param w [outputs, columns]
 * @returns [rows, outputs]
 */
export function linearReference(
  x: Float32Array,
  w: Float32Array,
  columns: number,
): Float32Array<ArrayBuffer> {
  const rows = x.length / columns;
  const outputs = w.length / columns;
  const y = new Float32Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    for (let n = 0; n < outputs; n++) {
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += x[r * columns + k] * w[n * columns + k];
      y[r * outputs + n] = sum;
    }
  }
  return y;
}
