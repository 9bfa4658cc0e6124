/** Metadata of a KV transfer's parts. The bytes are whole blocks in the engine's KvLayout. */

import { z } from "zod";

/** Blocks of one part: `firstBlock` counts from the start of the prompt. */
export interface KvPart {
  readonly firstBlock: number;
  readonly blocks: number;
}

/** Ends a KV transfer: where decoding goes on from. */
export interface KvEnd {
  readonly firstToken: number;
  /** Time from the first token to this message, on the sender's clock. */
  readonly sinceFirstTokenMs: number;
  /** The first token already ended the text: nothing is left to decode. */
  readonly isComplete: boolean;
}

const part = z.object({
  firstBlock: z.number().int().min(0),
  blocks: z.number().int().min(1),
});

const end = z.object({
  firstToken: z.number().int().min(0),
  sinceFirstTokenMs: z.number().min(0),
  isComplete: z.boolean(),
});

/** Throws a ZodError when the other end sent something else. */
export function parseKvPart(meta: unknown): KvPart {
  return part.parse(meta);
}

/** Throws a ZodError when the other end sent something else. */
export function parseKvEnd(meta: unknown): KvEnd {
  return end.parse(meta);
}
