/** `POST /v1/completions` requests: one prompt, as text or as token ids. */

import { z } from "zod";
import { ApiError } from "./errors.ts";
import {
  BOOKKEEPING_FIELDS,
  limitMetadata,
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

const tokenIds = z.array(z.int().min(0)).min(1, "there must be at least one token");

export const completionRequestSchema = z.looseObject({
  ...SAMPLING_FIELDS,
  ...BOOKKEEPING_FIELDS,
  prompt: z.union([
    z.string(),
    z.array(z.string()).length(1),
    tokenIds,
    z.array(tokenIds).length(1),
  ], "it must be text or token ids of one prompt"),
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

/** Reads a request body. Throws an ApiError that names the parameter at fault. */
export function parseCompletionRequest(
  body: Readonly<Record<string, unknown>>,
): CompletionRequest {
  refuseUnsupported(body, { known: KNOWN, unsupported: UNSUPPORTED });
  limitMetadata(body);
  refuseBatch(body.prompt);
  const request = parseBody(completionRequestSchema, body);
  return {
    kind: "completion",
    model: request.model,
    prompt: onePrompt(request.prompt),
    maxTokens: request.max_tokens ?? DEFAULT_MAX_TOKENS,
    ...samplingSettings(request),
  };
}

function refuseBatch(prompt: unknown): void {
  if (!Array.isArray(prompt) || prompt.length < 2 || typeof prompt[0] === "number") return;
  throw new ApiError("invalid_value", "Cannot use prompt: one prompt a request is supported", {
    param: "prompt",
  });
}

function onePrompt(
  prompt: string | readonly (string | number | readonly number[])[],
): string | readonly number[] {
  if (typeof prompt === "string") return prompt;
  const [first] = prompt;
  if (typeof first === "string" || Array.isArray(first)) return first;
  return prompt as readonly number[];
}
