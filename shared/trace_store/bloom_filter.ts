/** A set that answers "surely not" or "maybe", wrongly "maybe" once in a thousand times. */

const BITS_PER_ITEM = 16;
const PROBES = 8;
const TWO_32 = 4294967296;

/** Over 53-bit hashes. */
export function buildBloomFilter(hashes: ReadonlySet<number>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil(hashes.size * BITS_PER_ITEM / 8));
  for (const hash of hashes) {
    for (const bit of bitsOf(hash, bytes.length * 8)) bytes[bit >>> 3] |= 1 << (bit & 7);
  }
  return bytes;
}

export function mayContain(filter: Uint8Array, hash: number): boolean {
  if (filter.length === 0) return false;
  return bitsOf(hash, filter.length * 8).every((bit) =>
    (filter[bit >>> 3] & (1 << (bit & 7))) !== 0
  );
}

function bitsOf(hash: number, bitCount: number): number[] {
  const low = hash % TWO_32;
  const high = Math.floor(hash / TWO_32) * 2 + 1;
  return Array.from({ length: PROBES }, (_, probe) => (low + probe * high) % bitCount);
}
