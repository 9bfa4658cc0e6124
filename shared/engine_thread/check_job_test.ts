import { assertThrows } from "@std/assert/mod.js";
import type { SampleParameters } from "../engine/backend.ts";
import { checkJob } from "./check_job.ts";
import { FakeBackend } from "./testing/fake_backend.ts";
import { jobOf } from "./testing/run_sequence.ts";

const { shape } = new FakeBackend({ vocab: 100 });
const SAMPLING: SampleParameters = { temperature: 0.7, topK: 40, topP: 0.9, seed: 2 ** 32 - 1 };

Deno.test("checkJob() takes a job within the model's bounds", () => {
  checkJob(jobOf([0, 99], { sampling: SAMPLING, stopTokenIds: [99], maxTokens: 1 }), shape);
});

Deno.test("checkJob() names the token id, the length or the parameter that is wrong", () => {
  const cases: [Parameters<typeof jobOf>, string][] = [
    [[[]], "its prompt has no tokens"],
    [[[1, 100]], "token id 100 is outside the vocabulary of 100"],
    [[[-1]], "token id -1 is outside"],
    [[[1.5]], "token id 1.5 is outside"],
    [[[1], { stopTokenIds: [100] }], "token id 100 is outside"],
    [[[1], { maxTokens: 0 }], "maxTokens 0 is not at least 1"],
    [[[1], { maxTokens: NaN }], "maxTokens NaN is not at least 1"],
    [[[1], { sampling: { ...SAMPLING, temperature: -1 } }], "temperature -1"],
    [[[1], { sampling: { ...SAMPLING, temperature: Infinity } }], "temperature Infinity"],
    [[[1], { sampling: { ...SAMPLING, temperature: 1e39 } }], "temperature 1e+39"],
    [[[1], { sampling: { ...SAMPLING, topK: -1 } }], "topK -1"],
    [[[1], { sampling: { ...SAMPLING, topP: 1.5 } }], "topP 1.5"],
    [[[1], { sampling: { ...SAMPLING, topP: NaN } }], "topP NaN"],
    [[[1], { sampling: { ...SAMPLING, seed: 0.5 } }], "seed 0.5"],
  ];
  for (const [job, message] of cases) {
    assertThrows(() => checkJob(jobOf(...job), shape), RangeError, message);
  }
});
