/** Attributes that several roles declare. */

import type { AttributeSpecs } from "./spec.ts";

/** Ids of the request; telemetry sets them by itself on spans that are opened with `RequestIds`. */
export const REQUEST_IDS = {
  x_request_id: {
    type: "string",
    description: "The client's x-request-id, or a generated one",
    isRequired: true,
  },
  request_id: {
    type: "string",
    description: "Baton's id of the request, a UUID",
    isRequired: true,
  },
} as const satisfies AttributeSpecs;

export const OUTCOME = {
  "request.outcome": {
    type: "string",
    description: "success, error, cancelled or rejected",
    isRequired: true,
  },
} as const satisfies AttributeSpecs;

export const MODEL = {
  "gen_ai.request.model": { type: "string", description: "Model that the request names" },
} as const satisfies AttributeSpecs;

export const USAGE = {
  "gen_ai.usage.input_tokens": {
    type: "int",
    unit: "tokens",
    description: "Tokens of the prompt",
  },
  "gen_ai.usage.output_tokens": { type: "int", unit: "tokens", description: "Tokens generated" },
  "gen_ai.usage.cache_read.input_tokens": {
    type: "int",
    unit: "tokens",
    description: "Prompt tokens whose KV came from the prefix cache",
  },
} as const satisfies AttributeSpecs;

export const MESSAGING = {
  "messaging.system": { type: "string", description: "nats" },
  "messaging.operation.name": { type: "string", description: "publish or process" },
  "messaging.operation.type": { type: "string", description: "send or process" },
  "messaging.destination.template": {
    type: "string",
    description: "Subject without its ids, such as dyn.{namespace}.prefill.generate.{instance}",
  },
} as const satisfies AttributeSpecs;

/** Sizes and times of one KV transfer, as one of its ends saw them. */
export const KV_TRANSFER = {
  "kv.transfer_id": { type: "string", description: "Id that both ends of the transfer share" },
  "kv.bytes": { type: "int", unit: "By", description: "Bytes moved", isRequired: true },
  "kv.blocks": { type: "int", description: "KV blocks moved", isRequired: true },
  "kv.tokens": { type: "int", unit: "tokens", description: "Tokens whose KV moved" },
  "kv.chunks": { type: "int", description: "Bus messages it took" },
  "kv.credit_wait_ms": {
    type: "double",
    unit: "ms",
    description: "Time in which the sender had data and the receiver's window was full",
  },
  "kv.wire_ms": {
    type: "double",
    unit: "ms",
    description:
      "From the first part to the end without waits for credit; while a prompt of several " +
      "chunks is sent, the later ones are computed in it",
  },
  "kv.mb_per_s": { type: "double", unit: "MB/s", description: "Bytes by that time" },
} as const satisfies AttributeSpecs;

/** Allowed on every role; telemetry's own `fail` and `shutdown` set them. */
export const ANY_ROLE = {
  "error.type": { type: "string", description: "Short code of what failed" },
  "shutdown.reason": {
    type: "string",
    description: "Why the process ended the span before its work was done",
  },
} as const satisfies AttributeSpecs;
