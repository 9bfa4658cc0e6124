/**
 * The CPU backend's texts equal the reference's, token for token, alone, in a batch and on any number
 * of threads.
 *
 * Its 16-bit activations move logits by less than 0.01 (`accuracy_test.ts`): where the reference's
 * choice hangs on less than twice that, the other choice is admissible and the test says so.
 */

import { assert } from "@std/assert/mod.js";
import type { Backend } from "../../shared/engine/backend.ts";
import { openCpuBackend } from "../../shared/engine/cpu/backend.ts";
import { ReferenceModel } from "../../shared/engine/reference/reference_model.ts";
import { admissibleTokens } from "../gpu/admissible_tokens.ts";
import { referenceTexts, type TextJob, textJobs } from "../gpu/reference_text.ts";
import { TestModel, type TestModelName } from "../gpu/test_model.ts";
import { note } from "../gpu/test_notes.ts";
import { type Departure, departures } from "../gpu/texts.ts";
import { runTexts } from "../gpu/text_run.ts";

const LOGIT_TOLERANCE = 0.01;
const OPTIONS = { kvCacheTokens: 4096, maxRows: 256, maxSlices: 8 } as const;

for (const name of ["stories15m", "smollm2-135m-instruct"] as const satisfies TestModelName[]) {
  Deno.test(`CPU backend generates the reference's texts with ${name}`, async (test) => {
    await using model = await TestModel.open(name);
    const jobs = textJobs(model);
    const texts = await referenceTexts(model);
    await using backend = await openCpuBackend(model.file, { ...OPTIONS, threads: 2 });
    await test.step("alone, each prompt in one chunk", async () => {
      const found = await departures(backend, jobs, { texts, together: 1, chunkTokens: 256 });
      await assertAdmissible(model, found);
    });
    await test.step("the same, bit for bit: together, in chunks, on one thread", async () => {
      const alone = await textsOf(backend, jobs, { together: 1, chunkTokens: 256 });
      const together = await textsOf(backend, jobs, { together: 8, chunkTokens: 24 });
      assert(isEqual(alone, together), "batched and chunked texts differ from those alone");
      await using single = await openCpuBackend(model.file, { ...OPTIONS, threads: 1 });
      const onOne = await textsOf(single, jobs, { together: 8, chunkTokens: 256 });
      assert(isEqual(alone, onOne), "texts of one thread differ from those of two");
    });
  });
}

async function assertAdmissible(model: TestModel, found: readonly Departure[]): Promise<void> {
  if (found.length === 0) return;
  const reference = await ReferenceModel.load(model.file);
  for (const { job, before, token } of found) {
    const tokens = [...job.promptTokens, ...before];
    const logits = reference.newSequence().forwardPrompt(tokens);
    const choice = {
      parameters: job.sampling,
      position: tokens.length,
      logitTolerance: LOGIT_TOLERANCE,
    };
    const where = `"${job.name}", token ${before.length}: ${token}`;
    assert(admissibleTokens(logits, choice).includes(token), where);
    note(`${where}; logits within ${LOGIT_TOLERANCE} of the reference's admit it`);
  }
}

/** The backend's own texts, by job. */
async function textsOf(
  backend: Backend,
  jobs: readonly TextJob[],
  options: { readonly together: number; readonly chunkTokens: number },
): Promise<Map<string, number[]>> {
  const texts = new Map<string, number[]>(jobs.map(({ name }) => [name, []]));
  await runTexts(backend, jobs, {
    ...options,
    onToken: ({ name, maxTokens, endIds }, index, token) => {
      texts.get(name)!.push(token);
      return index + 1 === maxTokens || endIds.includes(token) ? null : token;
    },
  });
  return texts;
}

function isEqual(a: Map<string, number[]>, b: Map<string, number[]>): boolean {
  return [...a].every(([name, tokens]) => tokens.join() === b.get(name)?.join());
}
