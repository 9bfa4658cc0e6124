/**
 * The name of a KV block's content: a hash chained over every token from position 0 to its end.
 *
 * FNV-1a, 64 bits, over the prefix's token ids as little-endian u32 (http://www.isthe.com/chongo/tech/comp/fnv).
 * It is chosen for being tiny, exact in plain number arithmetic and the same everywhere, not for
 * strength: someone may craft a collision, so whoever looks blocks up compares the tokens too.
 */

const OFFSET_HIGH = 0xcbf29ce4;
const OFFSET_LOW = 0x84222325;
/** The FNV prime is 2^40 + PRIME_LOW. */
const PRIME_LOW = 0x1b3;

/**
 * Returns the hash of a prefix that ends with `tokens`, as 16 hex digits. `parent` is the hash of the
 * prefix before them, null at position 0.
 */
export function hashBlock(parent: string | null, tokens: readonly number[]): string {
  let high = parent === null ? OFFSET_HIGH : parseInt(parent.slice(0, 8), 16);
  let low = parent === null ? OFFSET_LOW : parseInt(parent.slice(8), 16);
  for (const token of tokens) {
    for (let shift = 0; shift < 32; shift += 8) {
      low = (low ^ ((token >>> shift) & 0xff)) >>> 0;
      const product = low * PRIME_LOW; // below 2^41, hence exact
      high = (Math.imul(high, PRIME_LOW) + (low << 8) + Math.floor(product / 2 ** 32)) >>> 0;
      low = product >>> 0;
    }
  }
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}
