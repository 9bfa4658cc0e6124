/**
 * The alphabet in which byte-level BPE vocabularies spell bytes: printable Latin-1 characters stand
 * for themselves, the other 68 bytes for U+0100 onwards in order. Source: GPT-2's `encoder.py`.
 */

/** [256] The character of each byte. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

const BYTES_BY_CHARACTER: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte]),
);

/** The bytes that a token's spelling stands for; characters outside the alphabet are UTF-8. */
export function bytesOfSpelling(spelling: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of spelling) {
    const byte = BYTES_BY_CHARACTER.get(character);
    if (byte === undefined) bytes.push(...new TextEncoder().encode(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** Spells bytes in the alphabet. */
export function spellingOfBytes(bytes: Uint8Array): string {
  let spelling = "";
  for (const byte of bytes) spelling += BYTE_CHARACTERS[byte];
  return spelling;
}

function byteCharacters(): string[] {
  let shifted = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCharCode(isPrintable ? byte : shifted++);
  });
}
