/** Between the engine's options and the variables that operators set them with. */

import type { Settings } from "../config/mod.ts";
import { defaultKvCacheTokens } from "../engine/kv_layout.ts";

const VARIABLE_OF: Readonly<Record<string, string>> = {
  kvCacheTokens: "DYN_KV_CACHE_TOKENS",
  maxBatchTokens: "DYN_MAX_BATCH_TOKENS",
  maxRows: "DYN_MAX_BATCH_TOKENS",
  maxSequences: "DYN_MAX_SEQUENCES",
  maxSlices: "DYN_MAX_SEQUENCES",
};
const OPTION = new RegExp(`\\b(${Object.keys(VARIABLE_OF).join("|")})\\b`, "g");

/** Tokens that a worker's KV cache holds over all sequences. */
export function kvCacheTokens(
  settings: Pick<Settings, "DYN_KV_CACHE_TOKENS">,
  contextLength: number,
): number {
  return settings.DYN_KV_CACHE_TOKENS ?? defaultKvCacheTokens(contextLength);
}

/** What the engine says is wrong, with its options by the names of their variables. */
export function inOperatorsWords(message: string): string {
  return message.replaceAll(OPTION, (option) => VARIABLE_OF[option] ?? option);
}
