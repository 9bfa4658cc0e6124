/**
 * From a parsed request to tokens: chat template, tokenisation, limits.
 *
 * What cannot fit whatever its tokens are is refused before it is rendered and tokenised: that would
 * block this thread for as long as a body may be large.
 * A prompt must leave room for one token. `max_tokens` beyond the context is lowered to what fits, as
 * the answer would end there anyway with finish reason `length`.
 */

import type { Sampling } from "../../shared/messages/mod.ts";
import {
  ApiError,
  type ChatMessage,
  type ChatRequest,
  type CompletionRequest,
} from "../../shared/openai/mod.ts";
import type { ActiveSpan } from "../../shared/telemetry/telemetry.ts";
import { ChatTemplateError, type TemplateMessage } from "../../shared/tokenizer/mod.ts";
import type { ServedModel } from "./served_model.ts";

export interface PreparedPrompt {
  readonly promptTokens: readonly number[];
  readonly maxTokens: number;
  readonly sampling: Sampling;
  readonly stopTokenIds: readonly number[];
  /** Absent where the prompt had no use of it. */
  readonly templateMs?: number;
  readonly tokenizeMs?: number;
}

type PromptTokens = Pick<PreparedPrompt, "promptTokens" | "templateMs" | "tokenizeMs">;

export interface PreprocessOptions {
  readonly model: ServedModel;
  /** Tokens that prompt and answer may have together. */
  readonly contextLimit: number;
  readonly span: ActiveSpan<"preprocess">;
}

/** Throws an ApiError when the prompt cannot be used. */
export function preprocess(
  request: ChatRequest | CompletionRequest,
  options: PreprocessOptions,
): PreparedPrompt {
  const prompt = tokensOf(request, options);
  const { promptTokens } = prompt;
  options.span.set({ "prompt.tokens": promptTokens.length });
  if (promptTokens.length === 0) {
    throw new ApiError("invalid_value", "Cannot complete an empty prompt", {
      param: paramOf(request),
    });
  }
  const room = options.contextLimit - promptTokens.length;
  if (room < 1) throw tooLong(request, options.contextLimit, `${promptTokens.length}`);
  return {
    ...prompt,
    maxTokens: Math.min(request.maxTokens ?? room, room),
    sampling: {
      temperature: request.temperature,
      topK: request.topK,
      topP: request.topP,
      seed: request.seed ?? randomSeed(),
    },
    stopTokenIds: request.ignoreEos ? [] : options.model.card.tokenizer.endOfGenerationIds,
  };
}

function paramOf(request: ChatRequest | CompletionRequest): string {
  return request.kind === "chat" ? "messages" : "prompt";
}

function tooLong(
  request: ChatRequest | CompletionRequest,
  contextLimit: number,
  has: string,
): ApiError {
  return new ApiError(
    "context_length_exceeded",
    `This model's maximum context length is ${contextLimit} tokens, and the prompt has ${has}: ` +
      "shorten it",
    { param: paramOf(request) },
  );
}

function tokensOf(
  request: ChatRequest | CompletionRequest,
  { model, contextLimit, span }: PreprocessOptions,
): PromptTokens {
  if (request.kind === "completion" && typeof request.prompt !== "string") {
    return { promptTokens: checkIds(request.prompt, model) };
  }
  // Every template marks every message with a token at least.
  const leastMessageTokens = request.kind === "chat" ? request.messages.length : 0;
  if (leastMessageTokens >= contextLimit) {
    throw tooLong(request, contextLimit, `at least ${leastMessageTokens}`);
  }
  const startMs = performance.now();
  const text = request.kind === "chat" ? chatText(request, model, span) : String(request.prompt);
  const renderedMs = performance.now();
  const leastTokens = Math.ceil(text.length / model.maxTokenCharacters);
  if (leastTokens >= contextLimit) throw tooLong(request, contextLimit, `at least ${leastTokens}`);
  const tokenizing = span.child("tokenize", { attributes: { "prompt.characters": text.length } });
  const promptTokens = model.tokenizer.encode(text, {
    // A chat template writes the special tokens itself.
    addSpecial: request.kind === "completion",
    parseSpecial: true,
  });
  tokenizing.set({ "prompt.tokens": promptTokens.length });
  tokenizing.end();
  return {
    promptTokens,
    tokenizeMs: performance.now() - renderedMs,
    ...(request.kind === "chat" ? { templateMs: renderedMs - startMs } : {}),
  };
}

function randomSeed(): number {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
  return seed;
}

function chatText(
  request: ChatRequest,
  model: ServedModel,
  span: ActiveSpan<"preprocess">,
): string {
  const { template, card } = model;
  if (template === null) {
    throw new ApiError(
      "invalid_chat_template",
      `Cannot chat with model ${card.name}: ${model.templateProblem}; use /v1/completions`,
      { param: "model" },
    );
  }
  const messages = request.messages.length;
  span.set({ "prompt.messages": messages });
  const rendering = span.child("template", { attributes: { "prompt.messages": messages } });
  try {
    return template.render(request.messages.map(templateMessage), {
      addGenerationPrompt: true,
      bosToken: tokenText(model, card.tokenizer.bosTokenId),
      eosToken: tokenText(model, card.tokenizer.eosTokenId),
    });
  } catch (error) {
    if (!(error instanceof ChatTemplateError) || error.code !== "rejected") throw error;
    throw new ApiError("invalid_chat_template", error.message, {
      param: "messages",
      cause: error,
    });
  } finally {
    rendering.end();
  }
}

/** A spread gives the message the open shape that templates take. */
function templateMessage(message: ChatMessage): TemplateMessage {
  return { ...message };
}

function checkIds(ids: readonly number[], model: ServedModel): readonly number[] {
  const vocab = model.tokenizer.vocabularySize;
  const wrong = ids.findIndex((id) => id >= vocab);
  if (wrong < 0) return ids;
  throw new ApiError(
    "invalid_value",
    `Cannot use prompt.${wrong}: the model's vocabulary has ${vocab} tokens`,
    { param: `prompt.${wrong}` },
  );
}

function tokenText({ card }: ServedModel, id: number | undefined): string {
  return id === undefined ? "" : card.tokenizer.tokens[id] ?? "";
}
