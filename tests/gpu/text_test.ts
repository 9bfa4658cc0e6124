/**
 * The backend's texts equal the reference's, token for token, alone and in a batch.

 * Where the reference's own choice hangs on its rounding, either choice passes: see `texts.ts`.
 */

import { openWebgpuBackend } from "../../shared/engine/webgpu/backend.ts";
import { gpuTest } from "./gpu_tests.ts";
import { referenceTexts, textJobs } from "./reference_text.ts";
import { TestModel, type TestModelName } from "./test_model.ts";
import { assertTexts } from "./texts.ts";

/** A software adapter takes a second for a dozen tokens of SmolLM2: fewer of its prompts run alone. */
const RUNS_ALONE: Readonly<Record<TestModelName, readonly string[] | "all">> = {
  "stories15m": "all",
  "smollm2-135m-instruct": [
    "capital",
    "arithmetic",
    "french",
    "system message",
    "long prompt",
    "warm capital",
    "warm list",
  ],
};

for (const name of Object.keys(RUNS_ALONE) as TestModelName[]) {
  gpuTest(
    `WebGPU backend generates the reference's texts with ${name}, alone and in a batch`,
    async (test) => {
      await using model = await TestModel.open(name);
      const jobs = textJobs(model);
      const texts = await referenceTexts(model);
      await using backend = await openWebgpuBackend(model.file, {
        kvCacheTokens: 4096,
        maxRows: 256,
        maxSlices: 8,
      });
      await test.step("alone, each prompt in one chunk", async () => {
        const chosen = RUNS_ALONE[name];
        const alone = chosen === "all" ? jobs : jobs.filter((job) => chosen.includes(job.name));
        await assertTexts(backend, alone, { texts, together: 1, chunkTokens: 256 });
      });
      await test.step("eight together, prompts in chunks of 24 beside decode rows", async () => {
        await assertTexts(backend, jobs, { texts, together: 8, chunkTokens: 24 });
      });
    },
  );
}
