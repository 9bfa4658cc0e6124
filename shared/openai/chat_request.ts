/**
 * `POST /v1/chat/completions` requests.
 *
 * Text only. `developer` messages go to the template as `system`; a message's `name` goes to the
 * template as it is, since some templates print it; text parts are joined by a line break.
 */

import { z } from "zod";
import {
  BOOKKEEPING_FIELDS,
  limitMetadata,
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

const textPart = z.strictObject({
  type: z.literal("text", "only text parts are supported"),
  text: z.string(),
});

const messageSchema = z.looseObject({
  role: z.enum(
    ["system", "developer", "user", "assistant"],
    "the roles system, developer, user and assistant are supported",
  ),
  content: z.union([z.string(), z.array(textPart).min(1)], "it must be text or text parts"),
  name: z.string().optional(),
});

export const chatRequestSchema = z.looseObject({
  ...SAMPLING_FIELDS,
  ...BOOKKEEPING_FIELDS,
  messages: z.array(messageSchema).min(1, "there must be at least one message"),
  max_completion_tokens: z.int().min(1).nullish(),
});

const KNOWN = new Set(Object.keys(chatRequestSchema.shape));
const KNOWN_IN_MESSAGE = new Set(Object.keys(messageSchema.shape));

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

/** What clients send back of an earlier answer. */
const UNSUPPORTED_IN_MESSAGE: UnsupportedParameters = {
  refusal: onlyValues(),
  annotations: onlyEmpty,
  audio: onlyValues(),
  tool_calls: onlyEmpty,
  function_call: onlyValues(),
};

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
  readonly name?: string;
}

export interface ChatRequest extends SamplingSettings {
  readonly kind: "chat";
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** Absent where the client set no limit. */
  readonly maxTokens?: number;
}

/** Reads a request body. Throws an ApiError that names the parameter at fault. */
export function parseChatRequest(body: Readonly<Record<string, unknown>>): ChatRequest {
  refuseUnsupported(body, { known: KNOWN, unsupported: UNSUPPORTED });
  limitMetadata(body);
  const request = parseBody(chatRequestSchema, body);
  const maxTokens = request.max_completion_tokens ?? request.max_tokens ?? undefined;
  return {
    kind: "chat",
    model: request.model,
    messages: request.messages.map(toChatMessage),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...samplingSettings(request),
  };
}

function toChatMessage(message: z.infer<typeof messageSchema>, index: number): ChatMessage {
  refuseUnsupported(message, {
    known: KNOWN_IN_MESSAGE,
    unsupported: UNSUPPORTED_IN_MESSAGE,
    path: `messages.${index}`,
  });
  const { role, content, name } = message;
  return {
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content.map((part) => part.text).join("\n"),
    ...(name === undefined ? {} : { name }),
  };
}
