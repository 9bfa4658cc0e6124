/**
 * The routes as OpenAPI describes them. Bodies are validated by shared/openai and not by the router:
 * its validator answers before a request has its span, and in plain text.
 */

import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { INSTANCE_STATES } from "../../shared/messages/mod.ts";
import {
  chatChunkSchema,
  chatRequestSchema,
  chatResponseSchema,
  completionRequestSchema,
  completionResponseSchema,
  ERROR_KINDS,
  errorBodySchema,
  modelListSchema,
  modelSchema,
  TIMINGS_HEADER,
  TIMINGS_WANTED,
} from "../../shared/openai/mod.ts";

const JSON_TYPE = "application/json";

function jsonOf<S extends z.ZodType>(schema: S, description: string) {
  return { description, content: { [JSON_TYPE]: { schema } } };
}

/** Every error status of the API, with the codes that come with it. */
function errorResponses(): Record<number, ReturnType<typeof jsonOf>> {
  const codes = new Map<number, string[]>();
  for (const [code, { status }] of Object.entries(ERROR_KINDS)) {
    if (status === 499) continue;
    codes.set(status, [...(codes.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...codes].map(([status, names]) => [status, jsonOf(errorBodySchema, names.join(", "))]),
  );
}

const ERRORS = errorResponses();

const COMPLETION_HEADERS = z.object({
  [TIMINGS_HEADER]: z.string().optional().describe(
    `\`${TIMINGS_WANTED}\` asks for \`timings\` in the body, or in the last chunk of a stream`,
  ),
});

function completionRoute<P extends string>(
  path: P,
  schemas: { request: z.ZodType; whole: z.ZodType; chunk: z.ZodType },
) {
  return createRoute({
    method: "post",
    path,
    request: {
      headers: COMPLETION_HEADERS,
      body: { required: true, content: { [JSON_TYPE]: { schema: schemas.request } } },
    },
    responses: {
      200: {
        description: "The answer: whole, or with `stream` as events that end with `[DONE]`",
        content: {
          [JSON_TYPE]: { schema: schemas.whole },
          "text/event-stream": { schema: schemas.chunk },
        },
      },
      ...ERRORS,
    },
  });
}

export const CHAT_ROUTE = completionRoute("/v1/chat/completions", {
  request: chatRequestSchema,
  whole: chatResponseSchema,
  chunk: chatChunkSchema,
});

export const COMPLETION_ROUTE = completionRoute("/v1/completions", {
  request: completionRequestSchema,
  whole: completionResponseSchema,
  chunk: completionResponseSchema,
});

export const MODELS_ROUTE = createRoute({
  method: "get",
  path: "/v1/models",
  responses: { 200: jsonOf(modelListSchema, "Models that can be asked for now") },
});

export const MODEL_ROUTE = createRoute({
  method: "get",
  path: "/v1/models/{model}",
  request: { params: z.object({ model: z.string() }) },
  responses: {
    200: jsonOf(modelSchema, "The model"),
    404: jsonOf(errorBodySchema, "model_not_found"),
    503: jsonOf(errorBodySchema, "no_workers: no worker serves it now"),
  },
});

const exporterSchema = z.object({
  exported_spans: z.int(),
  dropped_spans: z.int(),
  failed_batches: z.int(),
  queued_spans: z.int(),
});

export const healthSchema = z.object({
  status: z.enum(["healthy", "no_workers", "not_ready"]),
  stage: z.enum(["ready", "draining", "stopping"]),
  models: z.array(z.string()),
  endpoints: z.array(z.string()),
  instances: z.array(z.object({
    namespace: z.string(),
    component: z.string(),
    endpoint: z.string(),
    instance_id: z.string(),
    model: z.string(),
    host: z.string(),
    state: z.enum(INSTANCE_STATES),
    device: z.object({ backend: z.string(), adapter: z.string(), is_software: z.boolean() }),
    running: z.int(),
    waiting: z.int(),
    used_blocks: z.int(),
    total_blocks: z.int(),
    telemetry: exporterSchema,
  })),
  bus: z.object({ is_connected: z.boolean() }),
  telemetry: exporterSchema,
});

export type Health = z.infer<typeof healthSchema>;

export const HEALTH_ROUTE = createRoute({
  method: "get",
  path: "/health",
  responses: {
    200: jsonOf(healthSchema, "A decode worker serves a model"),
    503: jsonOf(healthSchema, "No decode worker serves a model, or the frontend drains"),
  },
});

/** A request that has not ended. No prompt and no answer text. */
const runningRequestSchema = z.object({
  trace_id: z.string(),
  request_id: z.string().describe("Names the request; several may be in one trace"),
  x_request_id: z.string(),
  sampled: z.boolean().describe("Its trace is exported, whatever comes of the request"),
  route: z.string(),
  model: z.string().nullable().describe("Null before it is known and served"),
  stream: z.boolean().nullable().describe("Null before the body was read"),
  received_at: z.iso.datetime(),
  age_ms: z.number(),
  stage: z.enum([
    "preprocess",
    "wait_for_worker",
    "dispatch",
    "queue",
    "prefill",
    "kv_transfer",
    "decode",
  ]).describe("Where it is now, named as in Server-Timing; dispatch: not taken by a worker yet"),
  input_tokens: z.int().describe("0 before the prompt was tokenised"),
  output_tokens: z.int().describe("So far"),
  last_token_age_ms: z.number().nullable().describe("Null before the first token"),
  waits_for_client: z.boolean().describe("The client does not read what was written"),
  ttft_ms: z.number().nullable(),
  avg_itl_ms: z.number().nullable().describe("Between tokens; null before the second"),
  attempts: z.int().describe("More than one: it moved to another worker"),
  prefill_worker_id: z.string().nullable(),
  decode_worker_id: z.string().nullable(),
});

export type RunningRequest = z.infer<typeof runningRequestSchema>;

export const runningRequestsSchema = z.object({
  requests: z.array(runningRequestSchema).describe("The oldest first, a hundred at most"),
  more: z.int().describe("Younger ones that are left out"),
});

export type RunningRequests = z.infer<typeof runningRequestsSchema>;

export const REQUESTS_ROUTE = createRoute({
  method: "get",
  path: "/requests",
  responses: { 200: jsonOf(runningRequestsSchema, "Completion requests that have not ended") },
});

export const LIVE_ROUTE = createRoute({
  method: "get",
  path: "/live",
  responses: { 200: jsonOf(z.object({ status: z.literal("live") }), "The process answers") },
});

export const METRICS_ROUTE = createRoute({
  method: "get",
  path: "/metrics",
  responses: {
    200: { description: "Prometheus or OpenMetrics text", content: { "text/plain": {} } },
  },
});
