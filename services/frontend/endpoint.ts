/** The two completion endpoints: how each reads its requests, and what it is called where. */

import {
  type ChatRequest,
  type CompletionRequest,
  parseChatRequest,
  parseCompletionRequest,
} from "../../shared/openai/mod.ts";
import type { FrontendEndpoint } from "../../shared/telemetry/metrics/mod.ts";

export interface Endpoint {
  readonly kind: "chat" | "completion";
  readonly route: string;
  /** Dynamo's label. */
  readonly metric: FrontendEndpoint;
  /** GenAI conventions' operation. */
  readonly operation: "chat" | "text_completion";
  /** Throws an ApiError. */
  parse(body: Readonly<Record<string, unknown>>): ChatRequest | CompletionRequest;
}

export const CHAT_COMPLETIONS: Endpoint = {
  kind: "chat",
  route: "/v1/chat/completions",
  metric: "chat_completions",
  operation: "chat",
  parse: parseChatRequest,
};

export const COMPLETIONS: Endpoint = {
  kind: "completion",
  route: "/v1/completions",
  metric: "completions",
  operation: "text_completion",
  parse: parseCompletionRequest,
};
