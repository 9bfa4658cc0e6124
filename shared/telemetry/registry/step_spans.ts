/**
 * Spans of the engine's steps: a trace of its own for each step that a request of level 3 was in, with
 * links to these requests, and the device's passes below it.
 */

import type { AttributeSpecs, SpanSpec } from "./spec.ts";

const KINDS = {
  linear_ms: { type: "double", unit: "ms", description: "Of it, matrix products" },
  attention_ms: { type: "double", unit: "ms", description: "Of it, attention" },
  other_ms: { type: "double", unit: "ms", description: "Of it, norms, rotation, activation" },
} as const satisfies AttributeSpecs;

export const STEP_SPANS = {
  engine_step: {
    name: "engine.step",
    kind: "INTERNAL",
    parents: ["root"],
    level: 3,
    description: "One step of an instance's engine; its links lead to the requests in it",
    histogram: "dynamo_component_engine_step_seconds",
    attributes: {
      component: { type: "string", description: "prefill or decode", isRequired: true },
      instance_id: { type: "string", description: "Instance that ran it", isRequired: true },
      "engine.backend": { type: "string", description: "webgpu, cpu or simulated" },
      "engine.step": { type: "int", description: "Number of the step, from 0", isRequired: true },
      "batch.sequences": { type: "int", description: "Sequences in it", isRequired: true },
      "batch.prefill_rows": { type: "int", description: "Rows of prompts", isRequired: true },
      "batch.decode_rows": { type: "int", description: "Rows of answers", isRequired: true },
      device_ms: { type: "double", unit: "ms", description: "Time on the device, where it tells" },
    },
  },
  ...passSpans("gpu", "by the device's timestamps"),
  ...passSpans("cpu", "by the backend's clock"),
  ...passSpans("simulated", "as the simulation has it"),
} as const satisfies Record<string, SpanSpec>;

/** The passes of a step in their order; what the device did between them is in none. */
function passSpans<Device extends string>(device: Device, clock: string) {
  const pass = (name: string, description: string) => ({
    name: `${device}.${name}`,
    kind: "INTERNAL",
    parents: ["engine_step"],
    level: 3,
    description: `${description}, ${clock}`,
    attributes: {},
  } as const);
  const specs = {
    embed: pass("embed", "Looking up the rows' embeddings"),
    layers: { ...pass("layers", "All layers of the model"), attributes: KINDS },
    output: pass("output", "The last norm and the logits"),
    sample: pass("sample", "Choosing tokens"),
  };
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [`${device}_${name}`, spec]),
  ) as { readonly [Pass in keyof typeof specs as `${Device}_${Pass}`]: (typeof specs)[Pass] };
}
