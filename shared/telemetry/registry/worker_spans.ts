/** Spans of the workers: queue, prompt, KV hand-off, generation, and their own start. */

import { KV_TRANSFER, MESSAGING, MODEL, OUTCOME, REQUEST_IDS, USAGE } from "./shared_attributes.ts";
import type { AttributeSpecs, SpanSpec } from "./spec.ts";

/** One of them, by the worker's backend. */
const COMPUTE = {
  "gpu.time_ms": {
    type: "double",
    unit: "ms",
    description: "Share of its steps' time on the GPU, by rows; of their time as the host saw it " +
      "where the adapter has no timestamps",
  },
  "cpu.time_ms": {
    type: "double",
    unit: "ms",
    description: "Share of its steps' time, by rows, in which all threads of the backend work",
  },
  "simulated.time_ms": {
    type: "double",
    unit: "ms",
    description: "Share of the time that its steps pretended to take, by rows",
  },
} as const satisfies AttributeSpecs;

/** Requests of one instance whose ranges overlap shared steps. */
const STEPS = {
  "engine.first_step": {
    type: "int",
    description: "First step of the instance's engine that it was in; steps count from 0",
  },
  "engine.last_step": { type: "int", description: "Last step that it was in" },
} as const satisfies AttributeSpecs;

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
    histogram: "dynamo_component_request_duration_seconds",
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
        description: "What cancelled it: client_disconnect, stop_string, superseded, deadline, " +
          "shutdown, caller_lost or cancelled",
      },
      "engine.backend": { type: "string", description: "webgpu, cpu or simulated" },
      ...COMPUTE,
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
      ...STEPS,
      ...COMPUTE,
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
      "engine.step": { type: "int", description: "The step that computed it" },
    },
  },
  kv_send: {
    name: "kv.send",
    kind: "PRODUCER",
    parents: ["handle_payload"],
    level: 1,
    description: "Sending the prompt's KV blocks to the decode worker",
    isFedBySiblings: true,
    isAwaited: true,
    histogram: "dynamo_component_kv_transfer_seconds",
    attributes: KV_TRANSFER,
  },
  kv_receive: {
    name: "kv.receive",
    kind: "CONSUMER",
    parents: ["kv_send", "handle_payload"],
    level: 1,
    description:
      "Receiving KV blocks; below the receiver's handle_payload when the transfer failed, or when " +
      "the sender was lost before its spans had left",
    histogram: "dynamo_component_kv_transfer_seconds",
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
      finish_reason: { type: "string", description: "stop, length or cancelled" },
      "batch.max_rows": {
        type: "int",
        description: "Rows of the largest step that gave it a token; its own is one of them",
      },
      ...STEPS,
      ...COMPUTE,
    },
    events: {
      first_token: { description: "The engine read back the first token it generated here" },
      "itl.gap": {
        description: "A token came much later than the median: at most 8, the longest ones",
        attributes: {
          "token.index": { type: "int", description: "The token, from 0 in this worker's answer" },
          "engine.step": { type: "int", description: "Step that made it" },
          gap_ms: { type: "double", unit: "ms", description: "Time since the token before it" },
          cause: {
            type: "string",
            description: "What took most of the excess: prefill, batch_growth, kv_wait, " +
              "kv_import, kv_export, preempted, stall, readback or engine",
          },
          cause_ms: {
            type: "double",
            unit: "ms",
            description: "The cause's part of what the gap has beyond the median",
          },
          "other.request_id": {
            type: "string",
            description:
              "Request whose prompt or KV was worked on, or that needed the blocks; the span " +
              "links to it",
          },
          "other.trace_id": { type: "string", description: "That request's trace" },
          "other.tokens": {
            type: "int",
            unit: "tokens",
            description: "Tokens of its prompt that the step computed",
          },
        },
      },
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
