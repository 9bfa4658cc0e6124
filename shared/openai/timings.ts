/**
 * What a client that sends `x-baton-timings: 1` gets with its answer: where its time went, in
 * milliseconds. In the last chunk of a stream, in the body of a whole answer, beside `error` in both.
 * Each chunk of a stream also tells of the tokens whose text it brings.
 *
 * A stage is what its worker measured or, where the worker could not tell (a stop string ended the text,
 * it died), what the arrival of its frames tells; null when the request did not get there.
 */

import { z } from "zod";
import { finishReasonSchema } from "./finish_reason.ts";

/** The request header, and the value that asks for timings. */
export const TIMINGS_HEADER = "x-baton-timings";
export const TIMINGS_WANTED = "1";

const WORKER_PHASES = ["prefill", "decode", "aggregate"] as const;

export const tokenTimingSchema = z.object({
  offset_ms: z.number().describe("As in `token_offsets_ms`"),
  step: z.int().describe("The worker's engine step that made it"),
  instance_id: z.string().describe("The worker that made it"),
  phase: z.enum(WORKER_PHASES),
});

export const tokenTimingsSchema = z.array(tokenTimingSchema).describe(
  "The tokens that this chunk's text came with, and those before it that had none",
);

export type TokenTiming = z.infer<typeof tokenTimingSchema>;

const stageMs = (what: string) => z.number().nullable().describe(`Milliseconds: ${what}`);

export const timingsSchema = z.object({
  trace_id: z.string().describe("The trace that tells the rest, also when it was not sampled"),
  finish_reason: finishReasonSchema.nullable().describe("Null when an error ended it"),
  attempts: z.int().describe("Attempts, the first included"),
  workers: z.array(z.object({
    instance_id: z.string(),
    phase: z.enum(WORKER_PHASES),
    attempt: z.int(),
  })).describe("Workers asked, in order"),
  preprocess_ms: stageMs("arrival to the prompt's tokens"),
  route_ms: stageMs("choosing the first attempt's workers"),
  dispatch_ms: stageMs("sending it to the word of the worker that computes the prompt"),
  queue_ms: stageMs("waiting at the worker that computes the prompt"),
  prefill_ms: stageMs("computing the prompt, to the first token"),
  kv_transfer_ms: stageMs("KV blocks on their way; null where one worker does it all"),
  decode_ms: stageMs("the decode worker's first token to its end"),
  ttft_ms: stageMs(
    "arrival to the first token's write; its arrival here where the answer is whole",
  ),
  total_ms: z.number().describe("Milliseconds: arrival to this object"),
  itl_ms: z.object({ p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() })
    .nullable()
    .describe(
      "Milliseconds between tokens; tokens that arrived together share the time since the one " +
        "before. Null below two tokens",
    ),
  token_offsets_ms: z.array(z.number()).describe(
    "Milliseconds from the request's arrival to that of each token and all before it at the " +
      "frontend; as many as `completion_tokens`, so tokens without text too",
  ),
  token_steps: z.array(z.int()).describe("The worker's engine step that made each token"),
  token_workers: z.array(z.int()).describe(
    "The worker that made each token: its place in `workers`",
  ),
});

export type Timings = z.infer<typeof timingsSchema>;
