// y = x * w^T for any number of rows, a panel of 8 weight rows at a time.
//
// Each weight is read from memory once: the panel stays in the first cache for all activation rows.
// Sums of products of 32 columns are exact integers, and the sums over blocks are added in order of
// columns by separate multiplications and additions, one lane for each weight row. So a result does
// not depend on how many rows run together, on the thread, on the kind of dot product, or on the
// CPU.

import { scratchOf, shareOf, takeShare } from "./barrier";
import { multiplyFloats, unpackFloats } from "./linear_floats";
import { multiplyByBytes } from "./linear_bytes";
import { multiplyRowsByWords } from "./linear_rows_words";
import { multiplyByWords } from "./linear_words";
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
  const panels = (outputs + 7) >> 3;
  const threads = load<u32>(control, 4);
  // Two panels by many rows are much work already.
  const most = max<u32>(2, 256 / rows);
  const scratch = scratchOf(control, thread);
  let first = takeShare(op, panels, threads, most);
  for (; first < panels; first = takeShare(op, panels, threads, most)) {
    const end = first + shareOf(panels - first, threads, most);
    for (let index = first; index < end; index++) {
      const panel = weights + index * panelBytes;
      if (format <= BF16) {
        if (format != F32) unpackFloats(op, format, panel, scratch, columns);
        multiplyFloats(op, format == F32 ? panel : scratch, rows, index * 8);
      } else {
        multiplyQuantised(op, format, panel, scratch, rows, index * 8);
      }
    }
  }
}

// By the dot product of bytes, or by that of words: most rows unpacked, four at a time.
function multiplyQuantised(
  op: usize,
  format: u32,
  panel: usize,
  scratch: usize,
  rows: u32,
  first: u32,
): void {
  if (load<u32>(op, 48) != 0) {
    multiplyByBytes(op, format, panel, rows, first);
    return;
  }
  let row: u32 = 0;
  if (format != Q6_K) {
    row = rows & ~3;
    if (row != 0) multiplyRowsByWords(op, format, panel, scratch, row, first);
  }
  multiplyByWords(op, format, panel, row, rows, first);
}
