/** Spans of the frontend: from the HTTP request to the last byte of its answer. */

import { MESSAGING, MODEL, OUTCOME, REQUEST_IDS, USAGE } from "./shared_attributes.ts";
import type { SpanSpec } from "./spec.ts";

function latency(description: string) {
  return { type: "double", unit: "s", description } as const;
}

/** Keys that vLLM, SGLang and TensorRT-LLM share, seconds as there. */
const GEN_AI_LATENCY = {
  "gen_ai.latency.time_in_queue": latency("Waiting at the worker that computes the prompt"),
  "gen_ai.latency.time_to_first_token": latency("Arrival to the first token's write"),
  "gen_ai.latency.e2e": latency("Arrival to the last byte's write"),
  "gen_ai.latency.time_in_model_prefill": latency("Computing the prompt, to the first token"),
  "gen_ai.latency.time_in_model_decode": latency("The decode worker's first token to its end"),
  "gen_ai.latency.time_in_model_inference": latency("Prefill and decode together"),
  "gen_ai.latency.kv_cache_transfer_time": latency("KV blocks on their way between two workers"),
} as const satisfies SpanSpec["attributes"];

export const FRONTEND_SPANS = {
  http_request: {
    name: "http-request",
    kind: "SERVER",
    parents: ["root", "remote"],
    level: 1,
    description: "One API request, until the last byte of its body was written or given up",
    histogram: "dynamo_frontend_request_duration_seconds",
    attributes: {
      ...REQUEST_IDS,
      ...OUTCOME,
      ...MODEL,
      ...USAGE,
      ...GEN_AI_LATENCY,
      "http.request.method": { type: "string", description: "HTTP method", isRequired: true },
      "http.route": { type: "string", description: "Route template", isRequired: true },
      "url.path": { type: "string", description: "Path of the request" },
      "url.scheme": { type: "string", description: "http or https" },
      "user_agent.original": { type: "string", description: "The client's user agent" },
      "http.request.body.size": { type: "int", unit: "By", description: "Bytes of the body" },
      "http.response.status_code": {
        type: "int",
        description: "Status of the response; absent when the client left before it",
      },
      "gen_ai.operation.name": { type: "string", description: "chat or text_completion" },
      "gen_ai.provider.name": { type: "string", description: "baton" },
      "gen_ai.request.stream": { type: "boolean", description: "Whether the answer is streamed" },
      "gen_ai.request.max_tokens": {
        type: "int",
        unit: "tokens",
        description: "Most tokens to generate",
      },
      "gen_ai.request.temperature": { type: "double", description: "Sampling temperature" },
      "gen_ai.request.top_p": { type: "double", description: "Nucleus probability" },
      "gen_ai.request.top_k": { type: "int", description: "Candidates kept; 0 keeps all" },
      "gen_ai.request.seed": { type: "int", description: "Sampling seed" },
      "gen_ai.response.id": { type: "string", description: "Id in the response body" },
      "gen_ai.response.finish_reasons": {
        type: "string[]",
        description: "Why generation ended, one a choice",
      },
      ttft_ms: {
        type: "double",
        unit: "ms",
        description: "Arrival of the request to the first token's write",
      },
      avg_itl_ms: { type: "double", unit: "ms", description: "Mean time between tokens" },
      prefill_worker_id: { type: "string", description: "Instance that computed the prompt" },
      decode_worker_id: { type: "string", description: "Instance that generated the tokens" },
      attempts: { type: "int", description: "Attempts, the first included" },
      "trace.kept": {
        type: "string",
        description: "Why a request that was not sampled was exported: failed or slow",
      },
    },
    events: {
      first_token: { description: "The first token's bytes were handed to the connection" },
      client_disconnected: { description: "The client closed the connection" },
      migrated: {
        description: "Generation moves to another instance",
        attributes: {
          attempt: { type: "int", description: "Number of the new attempt" },
          "migration.tokens_completed": { type: "int", description: "Tokens kept" },
          "error.type": { type: "string", description: "What ended the attempt before" },
        },
      },
    },
  },
  preprocess: {
    name: "preprocess",
    kind: "INTERNAL",
    parents: ["http_request"],
    level: 1,
    description: "Validation, chat template and tokenisation",
    histogram: "dynamo_frontend_stage_duration_seconds",
    attributes: {
      "prompt.tokens": { type: "int", unit: "tokens", description: "Tokens of the prompt" },
      "prompt.messages": { type: "int", description: "Chat messages" },
    },
  },
  template: {
    name: "template",
    kind: "INTERNAL",
    parents: ["preprocess"],
    level: 2,
    description: "Rendering the chat template",
    histogram: "dynamo_frontend_template_seconds",
    attributes: {
      "prompt.messages": { type: "int", description: "Chat messages" },
    },
  },
  tokenize: {
    name: "tokenize",
    kind: "INTERNAL",
    parents: ["preprocess"],
    level: 2,
    description: "Text to token ids",
    histogram: "dynamo_frontend_tokenize_seconds",
    attributes: {
      "prompt.characters": { type: "int", description: "UTF-16 code units in" },
      "prompt.tokens": { type: "int", unit: "tokens", description: "Tokens out" },
    },
  },
  card_fetch: {
    name: "card.fetch",
    kind: "PRODUCER",
    parents: ["root"],
    level: 1,
    description: "Getting the card of a model that is new here from one of its workers",
    attributes: {
      worker_id: { type: "string", description: "Instance asked", isRequired: true },
      "model.name": { type: "string", description: "Model", isRequired: true },
      "card.digest": { type: "string", description: "The card's sha256", isRequired: true },
    },
  },
  worker_wait: {
    name: "router.wait_for_worker",
    kind: "INTERNAL",
    parents: ["http_request"],
    level: 1,
    description: "Waiting for a decode worker that leaves or has just gone to come back",
    attributes: {
      "router.worker_returned": { type: "boolean", description: "Whether one came in time" },
    },
  },
  prefill_routing: {
    name: "prefill_routing",
    kind: "INTERNAL",
    parents: ["http_request"],
    level: 1,
    description: "Choosing a prefill worker and its work on the prompt",
    attributes: {
      attempt: { type: "int", description: "Attempt of the request, from 1" },
    },
  },
  decode_routing: {
    name: "decode_routing",
    kind: "INTERNAL",
    parents: ["http_request"],
    level: 1,
    description: "Choosing a decode worker and its work until the last token",
    attributes: {
      attempt: { type: "int", description: "Attempt of the request, from 1" },
    },
  },
  select_worker: {
    name: "kv_router.select_worker",
    kind: "INTERNAL",
    parents: ["prefill_routing", "decode_routing"],
    level: 1,
    description: "The router's decision",
    attributes: {
      worker_id: { type: "string", description: "Instance chosen; absent when none could be" },
      "router.candidates": { type: "int", description: "Instances considered", isRequired: true },
      "router.skipped": { type: "int", description: "Instances full or draining" },
      "router.cost": { type: "double", description: "Cost of the chosen instance" },
      "router.candidate_ids": { type: "string[]", level: 2, description: "Instances, by cost" },
      "router.candidate_costs": {
        type: "string[]",
        level: 2,
        description: "Their costs, in the same order",
      },
    },
  },
  route_request: {
    name: "router.route_request",
    kind: "PRODUCER",
    parents: ["prefill_routing", "decode_routing"],
    level: 1,
    description: "One attempt on one worker: from publishing the request to the end of its stream",
    attributes: {
      ...OUTCOME,
      ...MODEL,
      ...MESSAGING,
      request_id: { type: "string", description: "Baton's id of the request, a UUID" },
      phase: { type: "string", description: "prefill, decode or aggregate", isRequired: true },
      worker_id: { type: "string", description: "Instance asked", isRequired: true },
      attempt: { type: "int", description: "Attempt of the request, from 1", isRequired: true },
      "migration.is_retry": { type: "boolean", description: "Whether another attempt came before" },
      "migration.tokens_completed": {
        type: "int",
        unit: "tokens",
        description: "Tokens that earlier attempts had generated",
      },
      "cancellation.signal": {
        type: "string",
        description:
          "What cancelled it: client_disconnect, stop_string, superseded, deadline, shutdown",
      },
      "worker.stage": {
        type: "string",
        description:
          "Last stage that the worker had reported: sent, accepted, scheduled, tokens, end",
      },
      "worker.span_id": {
        type: "string",
        description:
          "The worker's handle_payload, as its frames name it; it never arrives from one that died",
      },
      "worker.queue_depth": { type: "int", description: "Requests ahead of it at the worker" },
      "stream.frames": { type: "int", description: "Frames received" },
      first_frame_ms: {
        type: "double",
        unit: "ms",
        description: "Publishing to the worker's first frame",
      },
    },
    events: {
      first_token: { description: "The attempt's first token arrived" },
      cancel_sent: { description: "The worker was told to stop" },
    },
  },
  http_stream: {
    name: "http.stream",
    kind: "INTERNAL",
    parents: ["http_request"],
    level: 1,
    description: "First to last byte of the response body",
    isFedBySiblings: true,
    attributes: {
      "http.response.body.size": { type: "int", unit: "By", description: "Bytes written" },
      "stream.chunks": { type: "int", description: "Writes" },
      "stream.first_write_ms": {
        type: "double",
        unit: "ms",
        description: "First token's arrival at the frontend to its write",
      },
    },
  },
} as const satisfies Record<string, SpanSpec>;
