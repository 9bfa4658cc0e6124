/** The real models that tests run, from the user's cache or their registries. */

import { cacheDirectory, readRegistries } from "../../shared/download/mod.ts";
import {
  chatTemplateFromGguf,
  compileChatTemplate,
  createTokenizer,
  type Tokenizer,
  tokenizerDataFromGguf,
} from "../../shared/tokenizer/mod.ts";
import { openGguf } from "../../shared/weights/gguf.ts";
import type { ModelFile } from "../../shared/weights/model_file.ts";
import { type ResolvedModel, resolveModel } from "../../shared/weights/sources/mod.ts";
import { CHAT_PROMPTS, STORY_PROMPTS, type TestPrompt } from "./prompts.ts";

/** Catalogue aliases of the models with prompts, and their prompts. */
export const TEST_MODELS = {
  "stories15m": STORY_PROMPTS,
  "smollm2-135m-instruct": CHAT_PROMPTS,
} as const satisfies Record<string, readonly TestPrompt[]>;

export type TestModelName = keyof typeof TEST_MODELS;

/** The folder that tests keep models and computed texts in. */
export function testCacheDirectory(): string {
  const env = Deno.env.toObject();
  return cacheDirectory({ os: Deno.build.os, env, override: env.DYN_CACHE_DIR });
}

/** Finds or downloads a model. */
export async function resolveTestModel(name: TestModelName): Promise<ResolvedModel> {
  return await resolveModel(name, {
    cacheDir: testCacheDirectory(),
    registries: await readRegistries(Deno.env.toObject()),
  });
}

/** A model file with what turns prompts into tokens. */
export class TestModel implements AsyncDisposable {
  readonly file: ModelFile;
  readonly resolved: ResolvedModel;
  readonly tokenizer: Tokenizer;
  readonly prompts: readonly TestPrompt[];

  private constructor(name: TestModelName, file: ModelFile, resolved: ResolvedModel) {
    this.file = file;
    this.resolved = resolved;
    this.tokenizer = createTokenizer(tokenizerDataFromGguf(file.metadata));
    this.prompts = TEST_MODELS[name];
  }

  static async open(name: TestModelName): Promise<TestModel> {
    const resolved = await resolveTestModel(name);
    return new TestModel(name, await openGguf(resolved.path), resolved);
  }

  promptTokens({ input }: TestPrompt): number[] {
    if (typeof input === "string") {
      return this.tokenizer.encode(input, { addSpecial: true, parseSpecial: false });
    }
    const template = compileChatTemplate(chatTemplateFromGguf(this.file.metadata) ?? "");
    const prompt = template.render(input.map((message) => ({ ...message })), {
      addGenerationPrompt: true,
      bosToken: this.#text(this.tokenizer.bosTokenId),
      eosToken: this.#text(this.tokenizer.eosTokenId),
    });
    return this.tokenizer.encode(prompt, { addSpecial: false, parseSpecial: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file[Symbol.asyncDispose]();
  }

  #text(id: number | undefined): string {
    return id === undefined ? "" : this.tokenizer.decode([id], { skipSpecial: false });
  }
}
