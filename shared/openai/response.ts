/** Answers of the two completion endpoints: whole ones and stream chunks. */

import { z } from "zod";
import { type CompletionFinishReason, finishReasonSchema } from "./finish_reason.ts";
import { type Timings, timingsSchema, type TokenTiming, tokenTimingsSchema } from "./timings.ts";

export const usageSchema = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
});

export const chatResponseSchema = z.object({
  id: z.string(),
  object: z.literal("chat.completion"),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
  choices: z.array(z.object({
    index: z.int(),
    message: z.object({
      role: z.literal("assistant"),
      content: z.string(),
      refusal: z.null(),
    }),
    logprobs: z.null(),
    finish_reason: finishReasonSchema,
  })),
  usage: usageSchema,
  timings: timingsSchema.optional(),
});

export const chatChunkSchema = z.object({
  id: z.string(),
  object: z.literal("chat.completion.chunk"),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
  choices: z.array(z.object({
    index: z.int(),
    delta: z.object({ role: z.literal("assistant").optional(), content: z.string().optional() }),
    logprobs: z.null(),
    finish_reason: finishReasonSchema.nullable(),
  })),
  usage: usageSchema.nullish(),
  timings: timingsSchema.optional(),
  token_timings: tokenTimingsSchema.optional(),
});

const textChoice = z.object({
  index: z.int(),
  text: z.string(),
  logprobs: z.null(),
  finish_reason: finishReasonSchema.nullable(),
});

/** Whole answers and stream chunks of `/v1/completions` share one shape. */
export const completionResponseSchema = z.object({
  id: z.string(),
  object: z.literal("text_completion"),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
  choices: z.array(textChoice),
  usage: usageSchema.nullish(),
  timings: timingsSchema.optional(),
  token_timings: tokenTimingsSchema.optional(),
});

export type ChatResponse = z.infer<typeof chatResponseSchema>;
export type ChatChunk = z.infer<typeof chatChunkSchema>;
export type CompletionResponse = z.infer<typeof completionResponseSchema>;
export type Usage = z.infer<typeof usageSchema>;

export interface TokenCounts {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

export function usageOf(counts: TokenCounts): Usage {
  return {
    prompt_tokens: counts.promptTokens,
    completion_tokens: counts.completionTokens,
    total_tokens: counts.promptTokens + counts.completionTokens,
    prompt_tokens_details: { cached_tokens: counts.cachedTokens },
  };
}

export interface AnswerHead {
  readonly kind: "chat" | "completion";
  readonly requestId: string;
  readonly model: string;
  readonly createdAtMs: number;
  /** Identifies weights and tokenizer: equal fingerprints and seeds give equal text. */
  readonly fingerprint: string;
}

/** The `id` of an answer and all its chunks: the request's id is in it, so a log can be found from it. */
export function answerId(kind: AnswerHead["kind"], requestId: string): string {
  return `${kind === "chat" ? "chatcmpl" : "cmpl"}-${requestId}`;
}

interface HeadFields {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

function headFields({ kind, requestId, model, createdAtMs, fingerprint }: AnswerHead): HeadFields {
  return {
    id: answerId(kind, requestId),
    created: Math.floor(createdAtMs / 1000),
    model,
    system_fingerprint: fingerprint,
  };
}

export interface WholeAnswer {
  readonly text: string;
  readonly finishReason: CompletionFinishReason;
  readonly usage: Usage;
  /** For a client that asked for them. */
  readonly timings?: Timings | undefined;
}

/** The body of an answer that is not streamed. */
export function wholeResponse(
  head: AnswerHead,
  { text, finishReason, usage, timings }: WholeAnswer,
): ChatResponse | CompletionResponse {
  const { id, ...fields } = headFields(head);
  const end = { usage, ...(timings && { timings }) };
  if (head.kind === "completion") {
    return {
      id,
      object: "text_completion",
      ...fields,
      choices: [{ index: 0, text, logprobs: null, finish_reason: finishReason }],
      ...end,
    };
  }
  return {
    id,
    object: "chat.completion",
    ...fields,
    choices: [{
      index: 0,
      message: { role: "assistant", content: text, refusal: null },
      logprobs: null,
      finish_reason: finishReason,
    }],
    ...end,
  };
}

/**
 * Writes the chunks of one stream as JSON, in order: texts, the finish, then usage where asked for. The
 * last of them carries the timings of a client that wants them, the texts those of their tokens.
 */
export class ChunkWriter {
  readonly #kind: AnswerHead["kind"];
  readonly #head: HeadFields;
  /** With `include_usage`, chunks before the last carry a null usage. */
  readonly #usageField: { usage?: null };
  #hasRole = false;
  #aroundText: readonly [string, string] | null = null;

  constructor(head: AnswerHead, options: { includeUsage: boolean }) {
    this.#kind = head.kind;
    this.#head = headFields(head);
    this.#usageField = options.includeUsage ? { usage: null } : {};
  }

  /**
   * A piece of the text, with the tokens that it came with for a client that wants timings. The first
   * chat chunk carries the role too; then only text and tokens differ.
   */
  text(text: string, tokens?: readonly TokenTiming[]): string {
    const isFirst = !this.#hasRole && this.#kind === "chat";
    if (isFirst) return withTokens(JSON.stringify(this.#chunk(text, null)), tokens);
    const [before, after] = this.#aroundText ??= splitAtText(this.#chunk("", null));
    return withTokens(before + JSON.stringify(text) + after, tokens);
  }

  finish(reason: CompletionFinishReason, timings?: Timings): string {
    return JSON.stringify({ ...this.#chunk("", reason), timings });
  }

  usage(usage: Usage, timings?: Timings): string {
    return JSON.stringify({ ...this.#shell(), choices: [], usage, timings });
  }

  #shell() {
    const { id, ...fields } = this.#head;
    return this.#kind === "chat"
      ? { id, object: "chat.completion.chunk" as const, ...fields }
      : { id, object: "text_completion" as const, ...fields };
  }

  #chunk(text: string, reason: CompletionFinishReason | null): ChatChunk | CompletionResponse {
    const shell = this.#shell();
    const end = { logprobs: null, finish_reason: reason };
    if (shell.object === "text_completion") {
      return { ...shell, choices: [{ index: 0, text, ...end }], ...this.#usageField };
    }
    const delta = {
      ...(this.#hasRole ? {} : { role: "assistant" as const }),
      ...(reason === null ? { content: text } : {}),
    };
    this.#hasRole = true;
    return { ...shell, choices: [{ index: 0, delta, ...end }], ...this.#usageField };
  }
}

/** The JSON before and after the empty text of a chunk. Inside of strings JSON has no bare quotes. */
function splitAtText(chunk: ChatChunk | CompletionResponse): [string, string] {
  const json = JSON.stringify(chunk);
  const key = chunk.object === "text_completion" ? '"text":' : '"content":';
  const at = json.indexOf(`${key}""`) + key.length;
  return [json.slice(0, at), json.slice(at + 2)];
}

function withTokens(chunkJson: string, tokens: readonly TokenTiming[] | undefined): string {
  if (tokens === undefined) return chunkJson;
  return `${chunkJson.slice(0, -1)},"token_timings":${JSON.stringify(tokens)}}`;
}
