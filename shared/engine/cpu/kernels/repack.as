// GGUF's blocks into panels (see weights.as).

import { BF16, F32, Q4_0, Q4_1, Q8_0 } from "./weights";

// Repacks `rows` (1 to 8) rows of `rowBytes` each at `from` into the zeroed panel at `to`.
export function repack(
  format: u32,
  from: usize,
  rowBytes: u32,
  rows: u32,
  to: usize,
  columns: u32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const source = from + row * rowBytes;
    if (format == F32) {
      for (let k: u32 = 0; k < columns; k++) {
        store<u32>(to + k * 32 + row * 4, load<u32>(source + k * 4));
      }
    } else if (format <= BF16) {
      for (let k: u32 = 0; k < columns; k++) {
        store<u16>(to + k * 16 + row * 2, load<u16>(source + k * 2));
      }
    } else if (format == Q8_0) {
      repackQ8(source, to, row, columns);
    } else if (format == Q4_0) {
      repackNibbles(source, to, row, columns, 18, 144);
    } else if (format == Q4_1) {
      repackNibbles(source, to, row, columns, 20, 160);
    } else {
      repackQ6(source, to, row, columns);
    }
  }
}

// Block: scale f16, 32 int8.
function repackQ8(source: usize, to: usize, row: u32, columns: u32): void {
  for (let k: u32 = 0; k < columns; k += 32) {
    for (let g: usize = 0; g < 8; g++) {
      store<u32>(to + g * 32 + row * 4, load<u32>(source + g * 4, 2) ^ 0x80808080);
    }
    store<u16>(to + row * 2, load<u16>(source), 256);
    source += 34;
    to += 272;
  }
}

// Block: scale f16, with Q4_1 minimum f16, 16 bytes of nibbles.
@inline
function repackNibbles(
  source: usize,
  to: usize,
  row: u32,
  columns: u32,
  blockBytes: usize,
  panelBlockBytes: usize,
): void {
  const quants = blockBytes - 16;
  for (let k: u32 = 0; k < columns; k += 32) {
    for (let v: usize = 0; v < 4; v++) {
      store<u32>(to + v * 32 + row * 4, load<u32>(source + quants + v * 4));
    }
    store<u16>(to + row * 2, load<u16>(source), 128);
    if (panelBlockBytes == 160) store<u16>(to + row * 2, load<u16>(source, 2), 144);
    source += blockBytes;
    to += panelBlockBytes;
  }
}

// Block of 256: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 int8 scales, one f16
// scale.
function repackQ6(source: usize, to: usize, row: u32, columns: u32): void {
  const superScales = to + (columns >> 5) * 272;
  for (let block: u32 = 0; block < columns >> 8; block++) {
    for (let weight: u32 = 0; weight < 256; weight++) {
      const i = weight & 127;
      const half = weight >> 7;
      const low = load<u8>(source + half * 64 + (i & 63));
      const pairs = load<u8>(source + 128 + half * 32 + (i & 31));
      const nibble: u32 = i < 64 ? low & 15 : low >> 4;
      const bits = (<u32>pairs >> (2 * (i >> 5))) & 3;
      const at = to + (weight >> 5) * 272 + ((weight & 31) >> 2) * 32 + row * 4 + (weight & 3);
      store<u8>(at, nibble | bits << 4);
    }
    for (let group: u32 = 0; group < 16; group++) {
      const at = to + (group >> 1) * 272 + (group & 1) * 8 + row;
      store<u8>(at, load<u8>(source + group, 192), 256);
    }
    store<u16>(superScales + block * 16 + row * 2, load<u16>(source, 208));
    source += 210;
    to += 8 * 272;
  }
}
