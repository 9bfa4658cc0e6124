/** GGUF's token types (`tokenizer.ggml.token_type`). */
export const TokenType = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;

/** The byte that a byte token such as `<0x0A>` stands for; undefined for other texts. */
export function byteOfToken(text: string): number | undefined {
  const match = BYTE_TOKEN.exec(text);
  return match === null ? undefined : Number.parseInt(match[1], 16);
}
