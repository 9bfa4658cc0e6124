/**
 * Guards the msgpack decoder, which allocates an array of the length that its header declares before
 * it reads an element: a hundred bytes could end this process. Every element takes a byte at least,
 * so a payload that owes more elements than it has bytes left is refused before it is decoded.
 */

/** Bytes of a value's type and number, or of its type and length field, for types 0xc0 to 0xdf. */
const HEAD_BYTES = [
  ...[1, 1, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9],
  ...[2, 3, 5, 9, 3, 4, 6, 10, 18, 2, 3, 5, 3, 5, 3, 5],
];

interface Head {
  /** Bytes of the value without its elements. */
  readonly bytes: number;
  /** Values that follow and belong to it. */
  readonly elements: number;
}

/** Throws a RangeError when the payload declares more than it holds. */
export function checkElementCounts(data: Uint8Array): void {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let owed = 1;
  for (let at = 0; owed > 0;) {
    if (owed > data.byteLength - at) {
      throw new RangeError(`${owed} values are owed and ${data.byteLength - at} bytes are left`);
    }
    const { bytes, elements } = readHead(view, at);
    at += bytes;
    owed += elements - 1;
  }
}

function readHead(view: DataView, at: number): Head {
  const type = view.getUint8(at);
  if (type < 0x80 || type >= 0xe0) return { bytes: 1, elements: 0 };
  if (type < 0x90) return { bytes: 1, elements: 2 * (type & 0x0f) };
  if (type < 0xa0) return { bytes: 1, elements: type & 0x0f };
  if (type < 0xc0) return { bytes: 1 + (type & 0x1f), elements: 0 };
  const bytes = HEAD_BYTES[type - 0xc0] ?? 1;
  switch (type) {
    case 0xc4: // bin 8
    case 0xc7: // ext 8
    case 0xd9: // str 8
      return { bytes: bytes + view.getUint8(at + 1), elements: 0 };
    case 0xc5: // bin 16
    case 0xc8: // ext 16
    case 0xda: // str 16
      return { bytes: bytes + view.getUint16(at + 1), elements: 0 };
    case 0xc6: // bin 32
    case 0xc9: // ext 32
    case 0xdb: // str 32
      return { bytes: bytes + view.getUint32(at + 1), elements: 0 };
    case 0xdc:
      return { bytes, elements: view.getUint16(at + 1) };
    case 0xdd:
      return { bytes, elements: view.getUint32(at + 1) };
    case 0xde:
      return { bytes, elements: 2 * view.getUint16(at + 1) };
    case 0xdf:
      return { bytes, elements: 2 * view.getUint32(at + 1) };
  }
  return { bytes, elements: 0 };
}
