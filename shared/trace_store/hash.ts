/** Fast hashes of 53 bits, for digests and Bloom filters; not for secrets. */

const SEED_LOW = 0xdeadbeef;
const SEED_HIGH = 0x41c6ce57;

/** Of bytes. */
export function hash53(bytes: Uint8Array): number {
  let low = SEED_LOW;
  let high = SEED_HIGH;
  for (let index = 0; index < bytes.length; index++) {
    low = Math.imul(low ^ bytes[index], 2654435761);
    high = Math.imul(high ^ bytes[index], 1597334677);
  }
  return mixed(low, high);
}

/** Of the UTF-16 units of a text, after what `seed` is the hash of. */
export function hashText53(text: string, seed = 0): number {
  let low = SEED_LOW ^ seed;
  let high = SEED_HIGH ^ Math.floor(seed / 4294967296);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    low = Math.imul(low ^ unit, 2654435761);
    high = Math.imul(high ^ unit, 1597334677);
  }
  return mixed(low, high);
}

function mixed(low: number, high: number): number {
  const a = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  const b = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (b & 2097151) + (a >>> 0);
}
