/** `POST /v1/chat/completions` requests. */

import { z } from "zod";
import { type ChatMessage, messageSchema, readMessages } from "./chat_messages.ts";
import {
  BOOKKEEPING_FIELDS,
  limitEntries,
  SAMPLING_FIELDS,
  type SamplingSettings,
  samplingSettings,
  UNSUPPORTED_SAMPLING,
} from "./sampling_fields.ts";
import {
  onlyEmpty,
  onlyValues,
  parseBody,
  refuseUnsupported,
  type UnsupportedParameters,
} from "./validation.ts";

export const chatRequestSchema = z.looseObject({
  ...SAMPLING_FIELDS,
  ...BOOKKEEPING_FIELDS,
  messages: z.array(messageSchema).min(1, "there must be at least one message"),
  max_completion_tokens: z.int().min(1).nullish(),
});

const KNOWN = new Set(Object.keys(chatRequestSchema.shape));

function isTextFormat(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return value === null;
  return Object.keys(value).length === 1 && "type" in value && value.type === "text";
}

function isTextModality(value: unknown): boolean {
  return value === null || (Array.isArray(value) && value.length === 1 && value[0] === "text");
}

const UNSUPPORTED: UnsupportedParameters = {
  ...UNSUPPORTED_SAMPLING,
  logprobs: onlyValues(false),
  top_logprobs: onlyValues(0),
  tools: onlyEmpty,
  tool_choice: onlyValues("none", "auto"),
  parallel_tool_calls: onlyValues(true, false),
  functions: onlyEmpty,
  function_call: onlyValues("none", "auto"),
  response_format: isTextFormat,
  modalities: isTextModality,
  moderation: onlyValues(),
  audio: onlyValues(),
  prediction: onlyValues(),
  reasoning_effort: onlyValues("none"),
  verbosity: onlyValues("medium"),
  web_search_options: onlyValues(),
};

export interface ChatRequest extends SamplingSettings {
  readonly kind: "chat";
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** Absent where the client set no limit. */
  readonly maxTokens?: number;
}

const settingsSchema = chatRequestSchema.omit({ messages: true });
const messagesSchema = z.object({
  messages: z.array(z.unknown()).min(1, "there must be at least one message"),
});

/** Reads a request body. Throws an ApiError that names the parameter at fault. */
export function parseChatRequest(body: Readonly<Record<string, unknown>>): ChatRequest {
  refuseUnsupported(body, { known: KNOWN, unsupported: UNSUPPORTED });
  limitEntries(body);
  const request = parseBody(settingsSchema, body);
  const { messages } = parseBody(messagesSchema, body);
  const maxTokens = request.max_completion_tokens ?? request.max_tokens ?? undefined;
  return {
    kind: "chat",
    model: request.model,
    messages: readMessages(messages),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...samplingSettings(request),
  };
}
