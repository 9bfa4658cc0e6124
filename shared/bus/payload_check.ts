/**
 * Guards the msgpack decoder, which allocates an array of the length that its header declares before
 * it reads an element: a hundred bytes could end this process. Every element takes a byte at least,
 * so a payload that owes more elements than it has bytes left is refused before it is decoded.
 */

/** Of types 0xc0 to 0xdf: bytes of the value's type and number, or of its type and length field. */
const HEAD_BYTES = [
  ...[1, 1, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9],
  ...[2, 3, 5, 9, 3, 4, 6, 10, 18, 2, 3, 5, 3, 5, 3, 5],
];
/** Of the same types: bytes of the length field, behind the type. */
const LENGTH_BYTES = [
  ...[0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0],
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4],
];
const FIRST_TYPE = 0xc0;
const ARRAY_16 = 0xdc;
const MAP_16 = 0xde;

/**
 * Throws a RangeError when the payload declares more than it holds. Returns whether it has byte strings
 * or extensions, which the decoder does not copy. Runs for every token: it allocates nothing.
 */
export function checkElementCounts(data: Uint8Array): boolean {
  let hasBytes = false;
  let owed = 1;
  for (let at = 0; owed > 0; owed--) {
    if (owed > data.length - at) {
      throw new RangeError(`${owed} values are owed and ${data.length - at} bytes are left`);
    }
    const type = data[at] ?? 0;
    if (type < 0x80 || type >= 0xe0) {
      at += 1;
    } else if (type < 0xa0) {
      at += 1;
      owed += (type < 0x90 ? 2 : 1) * (type & 0x0f);
    } else if (type < FIRST_TYPE) {
      at += 1 + (type & 0x1f);
    } else {
      const length = readLength(data, at + 1, LENGTH_BYTES[type - FIRST_TYPE] ?? 0);
      at += HEAD_BYTES[type - FIRST_TYPE] ?? 1;
      if (type >= ARRAY_16) owed += type >= MAP_16 ? 2 * length : length;
      else at += length;
      hasBytes ||= isBytes(type);
    }
  }
  return hasBytes;
}

/** Big-endian; 0 for a field of no bytes. */
function readLength(data: Uint8Array, from: number, bytes: number): number {
  if (from + bytes > data.length) throw new RangeError("a length is cut off");
  let length = 0;
  for (let at = from; at < from + bytes; at++) length = length * 256 + (data[at] ?? 0);
  return length;
}

/** bin 8 to ext 32, fixext 1 to 16. */
function isBytes(type: number): boolean {
  return (type >= 0xc4 && type <= 0xc9) || (type >= 0xd4 && type <= 0xd8);
}
