/**
 * y = x / sqrt(mean(x^2) + epsilon) * weight, row by row.
 * @param x [rows, columns]
 * @param weight [columns]
 */
export function rmsNormReference(
  x: Float32Array,
  weight: Float32Array,
  epsilon: number,
): Float32Array<ArrayBuffer> {
  const columns = weight.length;
  const y = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += columns) {
    let squares = 0;
    for (let k = 0; k < columns; k++) squares += x[start + k] ** 2;
    const scale = 1 / Math.sqrt(squares / columns + epsilon);
    for (let k = 0; k < columns; k++) y[start + k] = x[start + k] * scale * weight[k];
  }
  return y;
}
