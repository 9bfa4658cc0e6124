/** Worker of `reference_text.ts`: runs jobs through the F32 reference. */

import { ReferenceModel } from "../../shared/engine/reference/reference_model.ts";
import { sampleReference } from "../../shared/engine/sampling/sample_reference.ts";
import { openGguf } from "../../shared/weights/gguf.ts";
import { admissibleTokens } from "./admissible_tokens.ts";
import type { ReferenceRequest, ReferenceText, TextJob } from "./reference_text.ts";

/** Half of the gap between two logits below which a device may choose either: 0.001. */
const LOGIT_TOLERANCE = 0.0005;

declare const self: Worker & typeof globalThis;

let loaded: { readonly path: string; readonly model: ReferenceModel } | null = null;

self.onmessage = async ({ data }: MessageEvent<ReferenceRequest>) => {
  const model = await load(data.modelPath);
  self.postMessage(answer(model, data.job));
};

async function load(path: string): Promise<ReferenceModel> {
  if (loaded?.path !== path) {
    await using file = await openGguf(path);
    loaded = { path, model: await ReferenceModel.load(file) };
  }
  return loaded.model;
}

function answer(model: ReferenceModel, job: TextJob): ReferenceText {
  const { promptTokens, sampling: parameters, maxTokens, endIds } = job;
  const sequence = model.newSequence();
  const tokens: number[] = [];
  const admissible: number[][] = [];
  let logits = sequence.forwardPrompt(promptTokens);
  while (true) {
    const position = promptTokens.length + tokens.length;
    const token = sampleReference(logits, parameters, position);
    tokens.push(token);
    admissible.push(
      admissibleTokens(logits, { parameters, position, logitTolerance: LOGIT_TOLERANCE }),
    );
    if (tokens.length === maxTokens || endIds.includes(token)) return { tokens, admissible };
    logits = sequence.forward(token);
  }
}
