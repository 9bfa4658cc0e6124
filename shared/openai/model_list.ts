/** `GET /v1/models` answers. */

import { z } from "zod";

export const modelSchema = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.int(),
  owned_by: z.string().describe("`baton`, or `baton-simulated` where no model is behind the name"),
  context_length: z.int().describe("Vendor extension: tokens of prompt and answer together"),
  parameter_count: z.int().describe("Vendor extension"),
});

export const modelListSchema = z.object({
  object: z.literal("list"),
  data: z.array(modelSchema),
});

export type ModelObject = z.infer<typeof modelSchema>;
export type ModelList = z.infer<typeof modelListSchema>;

export interface ModelFacts {
  readonly name: string;
  readonly createdAtMs: number;
  readonly contextLength: number;
  readonly parameterCount: number;
  /** No model: its text is made up. */
  readonly isSimulated: boolean;
}

export function modelObject(facts: ModelFacts): ModelObject {
  return {
    id: facts.name,
    object: "model",
    created: Math.floor(facts.createdAtMs / 1000),
    owned_by: facts.isSimulated ? "baton-simulated" : "baton",
    context_length: facts.contextLength,
    parameter_count: facts.parameterCount,
  };
}
