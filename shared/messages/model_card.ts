/**
 * The model card as bytes: JSON, since a vocabulary is a hundred thousand short texts, which msgpack takes
 * several times as long for.
 */

import { z } from "zod";
import type { ModelCard } from "./instance.ts";

const tokenizerSchema = z.looseObject({
  model: z.enum(["llama", "gpt2"]),
  pre: z.string(),
  tokens: z.array(z.string()),
  scores: z.array(z.number()).optional(),
  types: z.array(z.number()),
  merges: z.array(z.string()).optional(),
  bosTokenId: z.int().optional(),
  eosTokenId: z.int().optional(),
  unknownTokenId: z.int().optional(),
  paddingTokenId: z.int().optional(),
  addBos: z.boolean(),
  addEos: z.boolean(),
  addSpacePrefix: z.boolean(),
  endOfGenerationIds: z.array(z.int()),
});

const cardSchema = z.looseObject({
  name: z.string().min(1),
  fileDigest: z.string(),
  architecture: z.string(),
  parameterCount: z.number(),
  contextLength: z.int().min(2),
  blockTokens: z.int().min(1),
  tokenizer: tokenizerSchema,
  chatTemplate: z.string().optional(),
});

export function modelCardBytes(card: ModelCard): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(card));
}

/** Throws an Error that says what is wrong when it lacks fields that this version reads. */
export function parseModelCard(bytes: Uint8Array): ModelCard {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new TypeError("it is not JSON");
  }
  const result = cardSchema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new TypeError(`${issue?.path.join(".")}: ${issue?.message}`);
}
