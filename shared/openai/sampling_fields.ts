/** What chat and text completions have in common: sampling, limits, stops, streaming. */

import { z } from "zod";
import { ApiError } from "./errors.ts";
import { onlyEmpty, onlyValues, type UnsupportedParameters } from "./validation.ts";

/** OpenAI's limits. */
const MAX_ENTRIES = { metadata: 16, stop: 4 } as const;
/** Names of models are file names, paths and the like. */
const MAX_MODEL_CHARS = 1000;

const stopString = z.string().min(1, "a stop string must not be empty");

const streamOptionsSchema = z.strictObject({
  include_usage: z.boolean().nullish(),
  include_obfuscation: z.literal(false, "obfuscation is not supported").nullish(),
});

export const SAMPLING_FIELDS = {
  model: z.string().min(1, "a model's name must not be empty").max(MAX_MODEL_CHARS),
  stream: z.boolean().nullish(),
  stream_options: streamOptionsSchema.nullish(),
  max_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish().describe("Vendor extension: keep the k likeliest tokens; 0 all"),
  seed: z.int().nullish(),
  stop: z.union([stopString, z.array(stopString).max(MAX_ENTRIES.stop)]).nullish(),
  ignore_eos: z.boolean().nullish().describe("Vendor extension: generate to max_tokens"),
} as const;

/** Accepted and without effect on the answer: bookkeeping of the client's or of OpenAI's. */
export const BOOKKEEPING_FIELDS = {
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).meta({ maxProperties: MAX_ENTRIES.metadata })
    .nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_options: z.object({}).nullish(),
  prompt_cache_retention: z.string().nullish(),
} as const;

/**
 * Throws an ApiError where a list or object of a body has more entries than it can have: a schema would
 * look at every one before it counts them.
 */
export function limitEntries(body: Readonly<Record<string, unknown>>): void {
  for (const [param, most] of Object.entries(MAX_ENTRIES)) {
    const value = body[param];
    if (typeof value !== "object" || value === null) continue;
    const count = Array.isArray(value) ? value.length : Object.keys(value).length;
    if (count <= most) continue;
    const problem = `it has ${count} entries, at most ${most} are allowed`;
    throw new ApiError("invalid_value", `Cannot use ${param}: ${problem}`, { param });
  }
}

/** Unsupported in both endpoints. */
export const UNSUPPORTED_SAMPLING: UnsupportedParameters = {
  n: onlyValues(1),
  logit_bias: onlyEmpty,
  presence_penalty: onlyValues(0),
  frequency_penalty: onlyValues(0),
  repetition_penalty: onlyValues(1),
  min_p: onlyValues(0),
  min_tokens: onlyValues(0),
  best_of: onlyValues(1),
  service_tier: onlyValues("auto", "default"),
  store: onlyValues(false),
};

interface SamplingFields {
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  readonly top_k?: number | null;
  readonly seed?: number | null;
  readonly stop?: string | string[] | null;
  readonly stream?: boolean | null;
  readonly stream_options?: z.infer<typeof streamOptionsSchema> | null;
  readonly ignore_eos?: boolean | null;
}

/** Sampling after OpenAI's defaults were applied. */
export interface SamplingSettings {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  /** Absent where the client left the choice to the server. */
  readonly seed?: number;
  readonly stopStrings: readonly string[];
  readonly ignoreEos: boolean;
  readonly isStream: boolean;
  readonly includeUsage: boolean;
}

/** Applies defaults: temperature 1, top_p 1, all tokens, no stops. */
export function samplingSettings(fields: SamplingFields): SamplingSettings {
  const { stop, seed } = fields;
  if (fields.stream_options && fields.stream !== true) {
    throw new ApiError("invalid_value", "Cannot use stream_options: stream is not true", {
      param: "stream_options",
    });
  }
  return {
    temperature: fields.temperature ?? 1,
    topP: fields.top_p ?? 1,
    topK: fields.top_k ?? 0,
    ...(seed === null || seed === undefined ? {} : { seed }),
    stopStrings: typeof stop === "string" ? [stop] : stop ?? [],
    ignoreEos: fields.ignore_eos ?? false,
    isStream: fields.stream ?? false,
    includeUsage: fields.stream_options?.include_usage ?? false,
  };
}
