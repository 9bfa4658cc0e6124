/** What the frontend tells of an answer's tokens (`x-baton-timings`), brought together with its text. */

import { asNumber, asRecord, asRecords, asText } from "./json.ts";

export interface TokenTiming {
  /** From the request's arrival at the frontend to the token's. */
  readonly offsetMs: number;
  /** Step of the worker's engine that made it. */
  readonly step: number;
  /** `decode 2681a704`; empty where it is not told. */
  readonly worker: string;
}

export interface AnswerTimings {
  readonly tokens: readonly TokenTiming[];
  /** Stages of the services in their order, those that the request got to. */
  readonly stages: readonly { readonly name: string; readonly ms: number }[];
}

const STAGES: readonly [string, string][] = [
  ["preprocess_ms", "preprocess"],
  ["route_ms", "route"],
  ["queue_ms", "queue"],
  ["prefill_ms", "prefill"],
  ["kv_transfer_ms", "KV transfer"],
  ["decode_ms", "decode"],
];
const ID_SHOWN = 8;
/** Of the page's clock beside the frontend's. */
const SLACK_MS = 1;

/** Null where the chunk tells none. */
export function readTimings(value: unknown): AnswerTimings | null {
  const timings = asRecord(value);
  if (!Array.isArray(timings.token_offsets_ms)) return null;
  const steps: unknown[] = Array.isArray(timings.token_steps) ? timings.token_steps : [];
  const workerOf: unknown[] = Array.isArray(timings.token_workers) ? timings.token_workers : [];
  const workers = asRecords(timings.workers).map(({ phase, instance_id: id }) =>
    `${asText(phase)} ${asText(id).slice(0, ID_SHOWN)}`
  );
  return {
    tokens: timings.token_offsets_ms.map((offset: unknown, index: number) => ({
      offsetMs: asNumber(offset),
      step: asNumber(steps[index]),
      worker: workers[asNumber(workerOf[index])] ?? "",
    })),
    stages: STAGES.flatMap(([key, name]) => {
      const ms = asNumber(timings[key]);
      return Number.isNaN(ms) ? [] : [{ name, ms }];
    }),
  };
}

/**
 * The tokens of each piece of text. A piece is one token's, but text may wait for the token after it,
 * and the last token may have none. Where their numbers differ by more than that, a piece has what had
 * arrived when it came: `piecesMs`, since the click.
 */
export function tokensOfPieces(
  tokens: readonly TokenTiming[],
  piecesMs: readonly number[],
): TokenTiming[][] {
  const [firstMs = 0] = piecesMs;
  const isPaired = tokens.length - piecesMs.length <= 1;
  const delayMs = firstMs - (tokens[0]?.offsetMs ?? 0);
  let at = 0;
  return piecesMs.map((pieceMs, index) => {
    const start = at++;
    const arrivedMs = pieceMs - delayMs + SLACK_MS;
    const hasMore = () => tokens.length - at > piecesMs.length - index - 1;
    while (!isPaired && hasMore() && (tokens[at]?.offsetMs ?? Infinity) <= arrivedMs) at++;
    return tokens.slice(start, at);
  });
}
