/** What the span of an API request says of the request itself, before anything came of it. */

import type { ChatRequest, CompletionRequest } from "../../shared/openai/mod.ts";
import type { ActiveSpan, RequestIds, Telemetry } from "../../shared/telemetry/telemetry.ts";
import type { Endpoint } from "./endpoint.ts";

type RequestSpan = ActiveSpan<"http_request">;

export interface RequestSpanOptions {
  readonly endpoint: Endpoint;
  readonly ids: RequestIds;
  readonly startMs: number;
}

/** Opens it, below the client's own span where its headers name one. */
export function openRequestSpan(
  telemetry: Telemetry,
  request: Request,
  { endpoint, ids, startMs }: RequestSpanOptions,
): RequestSpan {
  const url = new URL(request.url);
  const userAgent = request.headers.get("user-agent");
  return telemetry.serverSpan("http_request", Object.fromEntries(request.headers), ids, {
    startMs,
    attributes: {
      "http.request.method": request.method,
      "http.route": endpoint.route,
      "url.path": url.pathname,
      "url.scheme": url.protocol.slice(0, -1),
      "gen_ai.operation.name": endpoint.operation,
      "gen_ai.provider.name": "baton",
      ...(userAgent === null ? {} : { "user_agent.original": userAgent }),
    },
  });
}

/** Of the body, once it was understood: what is asked for, and no text of it. */
export function bodyAttributes(
  { model, isStream, maxTokens, ...sampling }: ChatRequest | CompletionRequest,
  bodyBytes: number,
): Parameters<RequestSpan["set"]>[0] {
  return {
    "http.request.body.size": bodyBytes,
    "gen_ai.request.model": model,
    "gen_ai.request.stream": isStream,
    "gen_ai.request.temperature": sampling.temperature,
    "gen_ai.request.top_p": sampling.topP,
    "gen_ai.request.top_k": sampling.topK,
    ...(maxTokens === undefined ? {} : { "gen_ai.request.max_tokens": maxTokens }),
  };
}
