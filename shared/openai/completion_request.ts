/** `POST /v1/completions` requests: one prompt, as text or as token ids. */

import { z } from "zod";
import { ApiError } from "./errors.ts";
import {
  BOOKKEEPING_FIELDS,
  limitEntries,
  SAMPLING_FIELDS,
  type SamplingSettings,
  samplingSettings,
  UNSUPPORTED_SAMPLING,
} from "./sampling_fields.ts";
import {
  onlyValues,
  parseBody,
  refuseUnsupported,
  type UnsupportedParameters,
} from "./validation.ts";

/** OpenAI's default of `max_tokens` here. */
const DEFAULT_MAX_TOKENS = 16;

const tokenId = z.int().min(0);
const tokenIds = z.array(tokenId).min(1, "there must be at least one token");

export const completionRequestSchema = z.looseObject({
  ...SAMPLING_FIELDS,
  ...BOOKKEEPING_FIELDS,
  prompt: z.union([
    z.string(),
    z.array(z.string()).min(1).max(1),
    tokenIds,
    z.array(tokenIds).min(1).max(1),
  ]),
});

const KNOWN = new Set(Object.keys(completionRequestSchema.shape));

const UNSUPPORTED: UnsupportedParameters = {
  ...UNSUPPORTED_SAMPLING,
  logprobs: onlyValues(),
  echo: onlyValues(false),
  suffix: onlyValues(""),
};

export interface CompletionRequest extends SamplingSettings {
  readonly kind: "completion";
  readonly model: string;
  readonly prompt: string | readonly number[];
  readonly maxTokens: number;
}

const settingsSchema = completionRequestSchema.omit({ prompt: true });
const textPrompt = z.object({ prompt: z.string("it must be text or token ids of one prompt") });

/** Reads a request body. Throws an ApiError that names the parameter at fault. */
export function parseCompletionRequest(
  body: Readonly<Record<string, unknown>>,
): CompletionRequest {
  refuseUnsupported(body, { known: KNOWN, unsupported: UNSUPPORTED });
  limitEntries(body);
  const request = parseBody(settingsSchema, body);
  return {
    kind: "completion",
    model: request.model,
    prompt: readPrompt(body),
    maxTokens: request.max_tokens ?? DEFAULT_MAX_TOKENS,
    ...samplingSettings(request),
  };
}

/** Token ids one by one up to the first problem: a schema would look for every problem of millions. */
function readPrompt(body: Readonly<Record<string, unknown>>): string | readonly number[] {
  const { prompt } = body;
  if (!Array.isArray(prompt) || prompt.length === 0) return parseBody(textPrompt, body).prompt;
  const [first]: unknown[] = prompt;
  if (prompt.length > 1 && typeof first !== "number") {
    throw new ApiError("invalid_value", "Cannot use prompt: one prompt a request is supported", {
      param: "prompt",
    });
  }
  if (typeof first === "string") return first;
  return Array.isArray(first) ? readIds(first, "prompt.0") : readIds(prompt, "prompt");
}

function readIds(ids: readonly unknown[], path: string): readonly number[] {
  if (ids.length === 0) parseBody(tokenIds, ids, path);
  return ids.map((id, index) => isTokenId(id) ? id : parseBody(tokenId, id, `${path}.${index}`));
}

function isTokenId(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
