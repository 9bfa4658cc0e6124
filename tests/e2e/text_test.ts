/**
 * The same text, token for token, as the F32 reference on every topology: through HTTP, templates,
 * routing, KV transfer, batches with other requests, sampling on the device and detokenisation.
 *
 * Where the reference's choice hangs on less than 0.001, the other choice is admissible: the test says
 * so and goes on from the reference's token, as tests/gpu/text_test.ts does.
 */

import { assertEquals } from "@std/assert/mod.js";
import { pooledMap } from "@std/async/pool.js";
import { MAX_TOKENS, type TestPrompt } from "../gpu/prompts.ts";
import {
  type ReferenceText,
  referenceTexts,
  type TextJob,
  textJobs,
} from "../gpu/reference_text.ts";
import { TestModel } from "../gpu/test_model.ts";
import { note } from "../gpu/test_notes.ts";
import { findDivergence } from "../kit/reference_match.ts";
import { Stack } from "../kit/stack.ts";

const MODEL = "smollm2-135m-instruct";

interface Topology {
  readonly name: string;
  readonly device: "webgpu" | "cpu";
  readonly prefillCount: number;
  readonly decodeCount: number;
  /** Requests at a time. */
  readonly together: number;
}

const TOPOLOGIES: readonly Topology[] = [
  { name: "disaggregated", device: "webgpu", prefillCount: 1, decodeCount: 1, together: 8 },
  { name: "two and two workers", device: "webgpu", prefillCount: 2, decodeCount: 2, together: 25 },
  { name: "aggregated", device: "webgpu", prefillCount: 0, decodeCount: 1, together: 25 },
  { name: "disaggregated", device: "cpu", prefillCount: 1, decodeCount: 1, together: 25 },
];

interface Answer {
  readonly text: string;
  readonly finishReason: string;
  readonly promptTokens: number;
  readonly tokens: number;
}

for (const topology of TOPOLOGIES) {
  Deno.test(`${topology.name} on ${topology.device}: all prompts get the reference's texts, ${topology.together} at a time`, async () => {
    await using model = await TestModel.open(MODEL);
    const texts = await referenceTexts(model);
    const jobs = textJobs(model);
    await using stack = await Stack.start({
      model: MODEL,
      ...topology,
      env: { DYN_DEVICE: topology.device },
    });
    const checks = model.prompts.map((prompt, index): Checked => {
      const job = jobs[index]!;
      return { prompt, job, reference: texts.get(job.name)! };
    });
    const checked = pooledMap(topology.together, checks, async (each: Checked) => {
      await new TextCheck(stack, model, each).run();
      return each.job.name;
    });
    assertEquals(await Array.fromAsync(checked), jobs.map(({ name }) => name));
  });
}

interface Checked {
  readonly prompt: TestPrompt;
  readonly job: TextJob;
  readonly reference: ReferenceText;
}

class TextCheck {
  readonly #stack: Stack;
  readonly #model: TestModel;
  readonly #checked: Checked;

  constructor(stack: Stack, model: TestModel, checked: Checked) {
    this.#stack = stack;
    this.#model = model;
    this.#checked = checked;
  }

  async run(): Promise<void> {
    const { job, reference } = this.#checked;
    const { tokenizer } = this.#model;
    let answer = await this.#chat();
    assertEquals(answer.promptTokens, job.promptTokens.length, job.name);
    for (let from = 0;;) {
      const divergence = findDivergence(answer.text, { reference, tokenizer, from });
      if (divergence === null) return this.#assertEnd(answer, from);
      const { index, token } = divergence;
      note(
        `"${job.name}", token ${index}: ${token}, the reference has ${reference.tokens[index]}; ` +
          "a gap below 0.001 admits both",
      );
      from = index + 1;
      if (from === reference.tokens.length) return;
      answer = await this.#continueAfter(from);
    }
  }

  #assertEnd({ finishReason, tokens }: Answer, from: number): void {
    const { job, reference } = this.#checked;
    const isEnded = job.endIds.includes(reference.tokens.at(-1)!);
    assertEquals(
      [finishReason, tokens],
      [isEnded ? "stop" : "length", reference.tokens.length - from],
      job.name,
    );
  }

  async #chat(): Promise<Answer> {
    const { prompt } = this.#checked;
    return await this.#post("chat/completions", {
      messages: prompt.input,
      max_tokens: MAX_TOKENS,
    });
  }

  /** Generates what follows the reference's first `count` tokens. */
  async #continueAfter(count: number): Promise<Answer> {
    const { job, reference } = this.#checked;
    return await this.#post("completions", {
      prompt: [...job.promptTokens, ...reference.tokens.slice(0, count)],
      max_tokens: MAX_TOKENS - count,
    });
  }

  async #post(path: string, body: Record<string, unknown>): Promise<Answer> {
    const { temperature, topK, topP, seed } = this.#checked.prompt.sampling;
    const sampling = { temperature, top_k: topK, top_p: topP, seed };
    const response = await this.#stack.post(path, { model: MODEL, ...sampling, ...body });
    const answer = await response.json();
    assertEquals(response.status, 200, JSON.stringify(answer));
    const { choices: [choice], usage } = answer;
    return {
      text: choice.message?.content ?? choice.text,
      finishReason: choice.finish_reason,
      promptTokens: usage.prompt_tokens,
      tokens: usage.completion_tokens,
    };
  }
}
