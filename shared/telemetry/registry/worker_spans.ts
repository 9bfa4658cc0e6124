/** Spans of the workers: queue, prompt, KV hand-off, generation, and their own start. */

import { KV_TRANSFER, MESSAGING, MODEL, OUTCOME, REQUEST_IDS, USAGE } from "./shared_attributes.ts";
import type { SpanSpec } from "./spec.ts";

const PREEMPTED = {
  preempted: { description: "The sequence lost its blocks and will be computed again" },
} as const;

export const WORKER_SPANS = {
  handle_payload: {
    name: "handle_payload",
    kind: "CONSUMER",
    parents: ["route_request"],
    level: 1,
    description: "One request at a worker, from its arrival to its last frame",
    attributes: {
      ...REQUEST_IDS,
      ...OUTCOME,
      ...MODEL,
      ...USAGE,
      ...MESSAGING,
      component: { type: "string", description: "prefill or decode", isRequired: true },
      endpoint: { type: "string", description: "Endpoint called", isRequired: true },
      namespace: { type: "string", description: "Namespace of the instance", isRequired: true },
      instance_id: { type: "string", description: "Instance that served it", isRequired: true },
      phase: { type: "string", description: "prefill, decode or aggregate" },
      attempt: { type: "int", description: "Attempt of the request, from 1" },
      "gen_ai.response.finish_reasons": {
        type: "string[]",
        description: "Why generation ended: stop, length or handed_off",
      },
      "cancellation.signal": {
        type: "string",
        description: "What cancelled it: cancelled, caller_lost, deadline_exceeded",
      },
      "engine.backend": { type: "string", description: "webgpu, cpu or simulated" },
      "engine.busy_ms": {
        type: "double",
        unit: "ms",
        description: "Its share of the time of all its steps, by rows",
      },
    },
  },
  engine_queue: {
    name: "engine.queue",
    kind: "INTERNAL",
    parents: ["handle_payload"],
    level: 1,
    description: "Waiting for the scheduler to admit the sequence",
    attributes: {
      "queue.depth": { type: "int", description: "Sequences ahead of it on arrival" },
      "queue.running": { type: "int", description: "Sequences running on arrival" },
    },
  },
  engine_prefill: {
    name: "engine.prefill",
    kind: "INTERNAL",
    parents: ["handle_payload"],
    level: 1,
    description: "Computing the prompt up to the first token",
    attributes: {
      "prompt.tokens": {
        type: "int",
        unit: "tokens",
        description: "Tokens of the prompt",
        isRequired: true,
      },
      "prompt.cached_tokens": {
        type: "int",
        unit: "tokens",
        description: "Of these, tokens from the prefix cache",
        isRequired: true,
      },
      "prefill.chunks": { type: "int", description: "Steps it took" },
    },
    events: PREEMPTED,
  },
  engine_prefill_chunk: {
    name: "engine.prefill_chunk",
    kind: "INTERNAL",
    parents: ["engine_prefill"],
    level: 2,
    description: "One step's share of the prompt",
    attributes: {
      "chunk.index": { type: "int", description: "From 0", isRequired: true },
      "chunk.tokens": { type: "int", unit: "tokens", description: "Tokens", isRequired: true },
    },
  },
  kv_send: {
    name: "kv.send",
    kind: "PRODUCER",
    parents: ["handle_payload"],
    level: 1,
    description: "Sending the prompt's KV blocks to the decode worker",
    isFedBySiblings: true,
    attributes: KV_TRANSFER,
  },
  kv_receive: {
    name: "kv.receive",
    kind: "CONSUMER",
    parents: ["kv_send", "handle_payload"],
    level: 1,
    description:
      "Receiving KV blocks; below the receiver's handle_payload when the transfer failed",
    attributes: { ...REQUEST_IDS, ...KV_TRANSFER },
  },
  kv_wait: {
    name: "kv.wait",
    kind: "INTERNAL",
    parents: ["handle_payload"],
    level: 1,
    description: "The decode worker has nothing to do for the request until its KV is there",
    attributes: {
      "kv.blocks": { type: "int", description: "KV blocks waited for" },
    },
    events: PREEMPTED,
  },
  engine_decode: {
    name: "engine.decode",
    kind: "INTERNAL",
    parents: ["handle_payload"],
    level: 1,
    description: "Generating tokens",
    attributes: {
      "output.tokens": {
        type: "int",
        unit: "tokens",
        description: "Tokens generated in it",
        isRequired: true,
      },
      itl_p50_ms: { type: "double", unit: "ms", description: "Time between tokens, median" },
      itl_p99_ms: {
        type: "double",
        unit: "ms",
        description: "Time between tokens, 99th percentile",
      },
      itl_max_ms: { type: "double", unit: "ms", description: "Longest time between two tokens" },
      finish_reason: { type: "string", description: "stop or length" },
      "batch.max_rows": {
        type: "int",
        description: "Rows of the largest step that gave it a token; its own is one of them",
      },
    },
    events: {
      first_token: { description: "The engine read back the first token it generated here" },
      ...PREEMPTED,
    },
  },
  card_send: {
    name: "card.send",
    kind: "CONSUMER",
    parents: ["card_fetch"],
    level: 1,
    description: "Sending the model's card to a frontend",
    attributes: {
      instance_id: { type: "string", description: "Instance that sent it", isRequired: true },
      "card.bytes": { type: "int", unit: "By", description: "Size of the card", isRequired: true },
    },
  },
  worker_start: {
    name: "worker.start",
    kind: "INTERNAL",
    parents: ["root"],
    level: 1,
    description: "Process start to the first heartbeat",
    attributes: {
      component: { type: "string", description: "prefill or decode", isRequired: true },
      namespace: { type: "string", description: "Namespace of the instance" },
      instance_id: { type: "string", description: "Instance", isRequired: true },
      "engine.backend": { type: "string", description: "webgpu, cpu or simulated" },
      "engine.adapter": { type: "string", description: "Device that runs the model" },
      "engine.is_software": { type: "boolean", description: "Whether the device is the CPU" },
    },
  },
  engine_load: {
    name: "engine.load",
    kind: "INTERNAL",
    parents: ["worker_start"],
    level: 1,
    description: "Opening the device and loading the model",
    attributes: {
      "model.name": { type: "string", description: "Model loaded", isRequired: true },
      "model.parameters": { type: "int", description: "Parameters" },
      "kv.total_blocks": { type: "int", description: "KV blocks allocated" },
    },
  },
} as const satisfies Record<string, SpanSpec>;
