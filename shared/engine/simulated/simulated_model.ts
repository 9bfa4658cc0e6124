/**
 * The model that the simulated engine pretends to have: a shape and a tokenizer, and no weights.
 *
 * Its vocabulary is all bytes and some syllables, so that any prompt has tokens and an answer reads
 * like no language: nobody takes it for a model's.
 */

import { BYTE_CHARACTERS } from "../../tokenizer/byte_alphabet.ts";
import { type ModelFile, type ModelShape, SIMULATED } from "../../weights/model_file.ts";
import type { Simulation } from "./simulation.ts";

const END_TEXT = "<|im_end|>";
const START_TEXT = "<|im_start|>";
const BYTES = 256;
const SYLLABLES = [..."bdfgklmnprstvz"].flatMap((consonant) =>
  [..."aeiou"].map((vowel) => consonant + vowel)
);
const CHAT_TEMPLATE = `{% for message in messages %}${START_TEXT}{{ message.role }}
{{ message.content }}${END_TEXT}
{% endfor %}{% if add_generation_prompt %}${START_TEXT}assistant
{% endif %}`;

/** The token that ends an answer. */
export const END_TOKEN = 0;
const FIRST_SYLLABLE = 2 + BYTES;
const SYLLABLE_TOKENS = 2 * SYLLABLES.length;

/** The model as a file: what a worker makes its card from. It has no tensors to read. */
export function simulatedModel(simulation: Simulation): ModelFile {
  return {
    path: SIMULATED,
    shape: simulatedShape(simulation),
    parameterCount: 0,
    metadata: tokenizerMetadata(),
    tensors: new Map(),
    read: () => Promise.reject(new RangeError("Cannot read a tensor: a simulated model has none")),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The shape: one layer and one KV head that is as wide as the KV bytes of a token ask for. */
export function simulatedShape({ contextTokens, kvTokenBytes }: Simulation): ModelShape {
  const width = Math.ceil(kvTokenBytes / 8);
  return {
    architecture: SIMULATED,
    contextLength: contextTokens,
    hidden: width,
    feedForward: width,
    layers: 1,
    heads: 1,
    kvHeads: 1,
    headDim: width,
    vocab: FIRST_SYLLABLE + SYLLABLE_TOKENS,
    ropeTheta: 10_000,
    ropeDim: width,
    rmsEpsilon: 1e-5,
    isTied: true,
  };
}

/** The syllable that a number stands for. */
export function syllableToken(number: number): number {
  return FIRST_SYLLABLE + number % SYLLABLE_TOKENS;
}

function tokenizerMetadata(): ReadonlyMap<string, unknown> {
  const bytes = BYTE_CHARACTERS;
  const space = bytes[0x20];
  const words = SYLLABLES.flatMap((syllable) => [syllable, space + syllable]);
  return new Map<string, unknown>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", "default"],
    ["tokenizer.ggml.tokens", [END_TEXT, START_TEXT, ...bytes, ...words]],
    ["tokenizer.ggml.token_type", [3, 3, ...[...bytes, ...words].map(() => 1)]],
    ["tokenizer.ggml.merges", [
      ...SYLLABLES.map(([consonant, vowel]) => `${consonant} ${vowel}`),
      ...SYLLABLES.map((syllable) => `${space} ${syllable}`),
    ]],
    ["tokenizer.ggml.eos_token_id", END_TOKEN],
    ["tokenizer.chat_template", CHAT_TEMPLATE],
  ]);
}
