/**
 * Reads llama2.c's `tokenizer.bin` back into the SentencePiece vocabulary it was made from.
 *
 * The file, little-endian: int32 length of the longest token, then per token float32 score, int32
 * byte length, UTF-8 text. Its exporters wrote "▁" as a space, put line breaks around the markers of
 * begin and end of text, and older ones wrote the byte token "<0x41>" as "A". All of it is undone
 * here, so that the tokens are SentencePiece's again.
 */

import { ModelFileError } from "./errors.ts";

/** Enough for every SentencePiece vocabulary; bounds memory. */
const MAX_FILE_BYTES = 32 << 20;
/** GGUF token types. */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const BYTE = 6;
const UNKNOWN_ID = 0;
const BOS_ID = 1;
const EOS_ID = 2;
/** SentencePiece puts its 256 byte tokens after the three markers. */
const FIRST_BYTE_ID = 3;

export interface Llama2cVocabulary {
  readonly tokens: readonly string[];
  readonly scores: readonly number[];
  /** GGUF token types. */
  readonly types: readonly number[];
}

/** Reads exactly `vocab` tokens; a file with fewer or more is refused. */
export async function readLlama2cTokenizer(
  path: string,
  vocab: number,
): Promise<Llama2cVocabulary> {
  const { size } = await Deno.stat(path);
  if (size > MAX_FILE_BYTES) {
    throw new ModelFileError(path, `it has ${size} bytes, no llama2.c tokenizer is that large`);
  }
  const { texts, scores } = readEntries(await Deno.readFile(path), { path, vocab });
  const hasBytes = hasByteTokens(texts);
  const types = texts.map((_, id) => typeOf(id, hasBytes));
  const tokens = texts.map((text, id) => {
    if (types[id] === BYTE) return byteToken(id - FIRST_BYTE_ID);
    return types[id] === CONTROL ? text.trim() : text.replaceAll(" ", "▁");
  });
  return { tokens, scores, types };
}

function readEntries(
  bytes: Uint8Array,
  { path, vocab }: { path: string; vocab: number },
): { texts: string[]; scores: number[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const texts: string[] = [];
  const scores: number[] = [];
  let at = 4;
  for (let id = 0; id < vocab; id++) {
    const hasHead = at + 8 <= bytes.length;
    const length = hasHead ? view.getInt32(at + 4, true) : 0;
    const end = at + 8 + length;
    if (!hasHead || length < 0 || end > bytes.length) {
      throw new ModelFileError(path, `it ends at token ${id} of ${vocab}`);
    }
    scores.push(view.getFloat32(at, true));
    try {
      texts.push(decoder.decode(bytes.subarray(at + 8, end)));
    } catch {
      throw new ModelFileError(path, `token ${id} is not UTF-8`);
    }
    at = end;
  }
  if (at !== bytes.length) {
    throw new ModelFileError(
      path,
      `it goes on after ${vocab} tokens: tokenizer and model do not belong together`,
    );
  }
  return { texts, scores };
}

/** Whether ids 3 to 258 are the bytes 0 to 255, in either spelling. */
function hasByteTokens(texts: readonly string[]): boolean {
  for (let byte = 0; byte < 256; byte++) {
    const text = texts[FIRST_BYTE_ID + byte];
    if (text !== byteToken(byte) && text !== String.fromCharCode(byte)) return false;
  }
  return true;
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

function typeOf(id: number, hasBytes: boolean): number {
  if (id === UNKNOWN_ID) return UNKNOWN;
  if (id === BOS_ID || id === EOS_ID) return CONTROL;
  const isByte = hasBytes && id >= FIRST_BYTE_ID && id < FIRST_BYTE_ID + 256;
  return isByte ? BYTE : NORMAL;
}
