/** What `bench/engine` asks of every engine, and how often it can afford to. */

/** Positions that every engine's cache has room for. */
export const CONTEXT_TOKENS = 4096;
const SHORT_PROMPT = 128;
const LONG_PROMPT = 1024;
const BATCHES = [4, 8] as const;
/** Prompts of a batch together fill one step of Baton. */
const BATCH_PROMPT = 16;

/** An engine repeats a case for this long, at least once where a run takes no longer than the other. */
const REPEAT_MS = 20_000;
const LONGEST_RUN_MS = 60_000;
/** Slow engines decode fewer tokens. */
const DECODE_MS = 2_000;
const FEWEST_TOKENS = 8;

export interface EngineCase {
  readonly sequences: number;
  /** Of each sequence. */
  readonly promptTokens: number;
}

export interface EngineCases {
  readonly short: EngineCase;
  readonly batches: readonly EngineCase[];
  /** The long prompt, or as much of it as the model has context for. */
  readonly long: EngineCase;
  /** To the end of the cache; null where the model's context is shorter. */
  readonly longest: EngineCase | null;
}

/** Tokens a second. */
export interface Speed {
  readonly prefill: number;
  readonly decode: number;
}

/** @param decodeTokens the most that are decoded after a prompt */
export function engineCases(contextLength: number, decodeTokens: number): EngineCases {
  const room = Math.min(contextLength, CONTEXT_TOKENS) - decodeTokens;
  return {
    short: { sequences: 1, promptTokens: Math.min(SHORT_PROMPT, room) },
    batches: BATCHES.map((sequences) => ({ sequences, promptTokens: BATCH_PROMPT })),
    long: { sequences: 1, promptTokens: Math.min(LONG_PROMPT, room) },
    longest: room > LONG_PROMPT ? { sequences: 1, promptTokens: room } : null,
  };
}

/** Tokens for an engine of that speed to decode. */
export function decodeTokensAt({ decode }: Speed, most: number): number {
  return Math.max(FEWEST_TOKENS, Math.min(most, Math.round(decode * DECODE_MS / 1e3)));
}

/** How often an engine of that speed runs a case: `most` times or fewer, 0 when once is too long. */
export function affordableRuns(
  speed: Speed,
  each: EngineCase & { readonly tokens: number; readonly most: number },
): number {
  const seconds = each.promptTokens / speed.prefill + each.tokens / speed.decode;
  const runMs = each.sequences * seconds * 1e3;
  if (runMs > LONGEST_RUN_MS) return 0;
  return Math.max(1, Math.min(each.most, Math.floor(REPEAT_MS / runMs)));
}
