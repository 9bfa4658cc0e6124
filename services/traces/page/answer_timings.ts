/** What the frontend tells of an answer's tokens (`x-baton-timings`), in its chunks. */

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
  /** Those without text too. */
  readonly tokenCount: number;
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

/** Null where the chunk tells none. */
export function readTimings(value: unknown): AnswerTimings | null {
  const timings = asRecord(value);
  if (!Array.isArray(timings.token_offsets_ms)) return null;
  return {
    tokenCount: timings.token_offsets_ms.length,
    stages: STAGES.flatMap(([key, name]) => {
      const ms = asNumber(timings[key]);
      return Number.isNaN(ms) ? [] : [{ name, ms }];
    }),
  };
}

/** Of the tokens that a chunk's text came with; empty where the chunk tells of none. */
export function readTokenTimings(value: unknown): TokenTiming[] {
  return asRecords(value).map(({ offset_ms: offset, step, phase, instance_id: id }) => ({
    offsetMs: asNumber(offset),
    step: asNumber(step),
    worker: `${asText(phase)} ${asText(id).slice(0, ID_SHOWN)}`.trim(),
  }));
}
