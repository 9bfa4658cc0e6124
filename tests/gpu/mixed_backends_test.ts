/** Prefill on one backend and decode on the other: the KV blocks of both mean the same. */

import { assert } from "@std/assert/mod.js";
import { type Backend, BLOCK_TOKENS, type OpenBackend } from "../../shared/engine/backend.ts";
import { openCpuBackend } from "../../shared/engine/cpu/backend.ts";
import { openWebgpuBackend } from "../../shared/engine/webgpu/backend.ts";
import type { ModelFile } from "../../shared/weights/model_file.ts";
import { gpuTest } from "./gpu_tests.ts";
import { type ReferenceText, referenceTexts, type TextJob, textJobs } from "./reference_text.ts";
import { TestModel } from "./test_model.ts";

const DIRECTIONS: readonly (readonly [string, OpenBackend, OpenBackend])[] = [
  ["WebGPU to CPU", openWebgpuBackend, openCpuBackend],
  ["CPU to WebGPU", openCpuBackend, openWebgpuBackend],
];

for (const [direction, openPrefill, openDecode] of DIRECTIONS) {
  gpuTest(
    `prefill and decode across backends give the reference's texts: ${direction}`,
    async () => {
      await using model = await TestModel.open("stories15m");
      const texts = await referenceTexts(model);
      await using prefill = await open(openPrefill, model.file);
      await using decode = await open(openDecode, model.file);
      for (const job of textJobs(model)) {
        await assertHandedOver(job, texts.get(job.name)!, { prefill, decode });
      }
    },
  );
}

async function open(openBackend: OpenBackend, model: ModelFile): Promise<Backend> {
  return await openBackend(model, { kvCacheTokens: 256, maxRows: 256, maxSlices: 2 });
}

async function assertHandedOver(
  { name, promptTokens, sampling }: TextJob,
  { tokens, admissible }: ReferenceText,
  { prefill, decode }: { readonly prefill: Backend; readonly decode: Backend },
): Promise<void> {
  const positions = promptTokens.length + tokens.length;
  const blockTable = Array.from({ length: Math.ceil(positions / BLOCK_TOKENS) }, (_, i) => i);
  const assertToken = (index: number, token: number | null) =>
    assert(
      token === tokens[index] || admissible[index].includes(token ?? -1),
      `"${name}", token ${index}: ${token}, the reference has ${tokens[index]}`,
    );
  const first = await prefill.step([
    { blockTable, startPosition: 0, tokens: promptTokens, sample: sampling },
  ]);
  assertToken(0, first.slices[0].token);
  const moved = blockTable.slice(0, Math.ceil(promptTokens.length / BLOCK_TOKENS));
  decode.writeBlocks(moved, await prefill.readBlocks(moved));
  for (let index = 1; index < tokens.length; index++) {
    const { slices: [{ token }] } = await decode.step([{
      blockTable,
      startPosition: promptTokens.length + index - 1,
      tokens: [tokens[index - 1]],
      sample: sampling,
    }]);
    assertToken(index, token);
  }
}
