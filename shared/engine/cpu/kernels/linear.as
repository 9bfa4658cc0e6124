// y = x * w^T for any number of rows, a panel of 8 weight rows at a time.
//
// Each weight is read from memory once: the panel stays in the first cache for all activation rows.
// Sums of products of 32 columns are exact integers, and the sums over blocks are added in order of
// columns by separate multiplications and additions, one lane for each weight row. So a result does
// not depend on how many rows run together, on the thread, on the kind of dot product, or on the CPU.

import { scratchOf, take } from "./barrier";
import { multiplyFloats } from "./linear_floats";
import { multiplyBytes } from "./linear_bytes";
import { multiplyWords, multiplyWordsOnce } from "./linear_words";
import { unpackFloats, unpackWords } from "./unpack";
import { BF16, F32, Q6_K } from "./weights";

// Parameters: format, weights, panel bytes, columns, outputs, x, q, info, isBytes, y, floats from a
// row of y to the next, isAdding.
export function linear(op: usize, control: usize, thread: u32): void {
  const rows = load<u32>(load<usize>(op, 4));
  if (rows == 0) return;
  const format = load<u32>(op, 16);
  const weights = load<usize>(op, 20);
  const panelBytes = load<u32>(op, 24);
  const columns = load<u32>(op, 28);
  const outputs = load<u32>(op, 32);
  const isBytes = load<u32>(op, 48) != 0;
  const panels = (outputs + 7) >> 3;
  // Some shares for each thread: few enough to take cheaply, small enough to end together.
  const share = max<u32>(1, panels / (load<u32>(control, 4) * 6));
  const scratch = scratchOf(control, thread);
  for (let first = take(op, share); first < panels; first = take(op, share)) {
    const end = min(first + share, panels);
    for (let index = first; index < end; index++) {
      const panel = weights + index * panelBytes;
      if (format <= BF16) {
        if (format != F32) unpackFloats(format, panel, scratch, columns);
        multiplyFloats(op, format == F32 ? panel : scratch, rows, index * 8);
      } else if (isBytes) {
        multiplyBytes(op, format, panel, scratch, rows, index * 8);
      } else if (rows == 1 && format != Q6_K) {
        multiplyWordsOnce(op, format, panel, index * 8);
      } else {
        unpackWords(format, panel, scratch, columns);
        multiplyWords(op, format, scratch, rows, index * 8);
      }
    }
  }
}
