/**
 * Prefill, decode and batched decode tokens/s of Baton beside its peers on the adapter at hand.
 *
 * Every engine is loaded once in its own process; rounds are interleaved, so that drift of a shared
 * machine hits all alike; the first round warms up and is not counted; medians are reported, and
 * ratios only within one run.
 */

import { adapterName, bestAdapter } from "../shared/engine/webgpu/adapter.ts";
import { createTokenizer, tokenizerDataFromGguf } from "../shared/tokenizer/mod.ts";
import { type ModelFile, openGguf } from "../shared/weights/mod.ts";
import { resolveModelFor } from "../shared/weights/sources/mod.ts";
import { type EnginePeer, enginePeers } from "./engine_peers.ts";
import { engineSection, type PeerFigures } from "./engine_report.ts";
import { copyBandwidth } from "./memory_floor.ts";
import { PeerProcess, type PeerResult } from "./peer_process.ts";
import { median } from "./statistics.ts";

export interface EngineBenchOptions {
  readonly models: readonly string[];
  readonly rounds: number;
  readonly promptTokens: number;
  readonly decodeTokens: number;
}

/** Sequences that decode together. */
const BATCHES = [2, 4, 8] as const;
/** Prompts of a batch together fill one step. */
const BATCH_PROMPT_TOKENS = 16;
/** What every engine continues first, to show that it computes the model. */
const CHECK_PROMPT = "Once upon a time";
const CHECK_TOKENS = 24;

/** Runs the benchmark and returns its report as Markdown. */
export async function benchEngine(options: EngineBenchOptions): Promise<string> {
  const adapter = await bestAdapter();
  const parts = [
    `Adapter: ${
      adapter === null ? "none" : adapterName(adapter)
    }. Prompt ${options.promptTokens} tokens, ` +
    `${options.decodeTokens} decoded; batches decode ${options.decodeTokens} tokens each after ` +
    `prompts of ${BATCH_PROMPT_TOKENS}. ${options.rounds} interleaved rounds after one to warm up, ` +
    "medians. Every engine is loaded once, in a process of its own, and decodes greedily.",
  ];
  const bandwidth = adapter === null ? NaN : await copyBandwidth(adapter);
  for (const alias of options.models) {
    const model = await resolveModelFor(alias, { env: Deno.env.toObject() });
    await using file = await openGguf(model.path);
    const peers = await enginePeers(model.path);
    const possible = peers.filter(({ device }) => adapter !== null || device === "cpu");
    const figures = await measure(possible, file, options);
    parts.push(engineSection(model.name, figures, {
      weightBytes: bytesPerToken(file),
      bandwidth,
      batches: BATCHES,
      checkTokens: CHECK_TOKENS,
    }));
  }
  return parts.join("\n\n") + "\n";
}

/** Weight bytes that one decoded token must read at least: every matrix once. */
function bytesPerToken(file: ModelFile): number {
  let bytes = 0;
  for (const tensor of file.tensors.values()) {
    if (tensor.shape.length < 2) continue;
    const isLookup = tensor.name === "token_embd.weight" && !file.shape.isTied;
    if (!isLookup) bytes += tensor.byteLength;
  }
  return bytes;
}

interface Measured {
  readonly peer: EnginePeer;
  readonly process: PeerProcess;
  /** Results by the number of sequences. */
  readonly results: Map<number, PeerResult[]>;
}

async function measure(
  peers: readonly EnginePeer[],
  file: ModelFile,
  options: EngineBenchOptions,
): Promise<PeerFigures[]> {
  await using stack = new AsyncDisposableStack();
  const measured: Measured[] = [];
  for (const peer of peers) {
    const process = await PeerProcess.start(peer);
    stack.defer(() => process.close());
    measured.push({ peer, process, results: new Map() });
  }
  const continuations = await continueStory(measured, file);
  const prompts = new PromptSource(file.shape.vocab);
  const tokens = options.decodeTokens + 1;
  for (let round = 0; round <= options.rounds; round++) {
    for (const sequences of [1, ...BATCHES]) {
      const length = sequences === 1 ? options.promptTokens : BATCH_PROMPT_TOKENS;
      const request = { prompts: prompts.take(sequences, length), tokens };
      for (const { peer, process, results } of measured) {
        if (sequences > 1 && !peer.isBatching) continue;
        const result = await process.generate(request);
        if (round > 0) results.set(sequences, [...results.get(sequences) ?? [], result]);
      }
    }
  }
  return await Promise.all(measured.map(async ({ peer, process, results }, i) => ({
    peer,
    loadMs: process.loadMs,
    peakBytes: await process.peakBytes(),
    prefill: median((results.get(1) ?? []).map((result) => result.prefillTokensPerSecond)),
    decode: new Map([...results].map(([sequences, list]) => {
      return [sequences, median(list.map((result) => result.decodeTokensPerSecond))];
    })),
    sameTokens: sharedStart(continuations[0], continuations[i]),
  })));
}

async function continueStory(
  measured: readonly Measured[],
  file: ModelFile,
): Promise<(readonly number[])[]> {
  const tokenizer = createTokenizer(tokenizerDataFromGguf(file.metadata));
  const prompt = tokenizer.encode(CHECK_PROMPT, { addSpecial: true, parseSpecial: false });
  const texts: (readonly number[])[] = [];
  for (const { process } of measured) {
    const { tokens } = await process.generate({ prompts: [prompt], tokens: CHECK_TOKENS });
    texts.push(tokens[0]);
  }
  return texts;
}

function sharedStart(a: readonly number[], b: readonly number[]): number {
  const length = a.findIndex((token, i) => token !== b[i]);
  return length < 0 ? a.length : length;
}

/** Prompts of arbitrary tokens. No two begin alike, so that no engine finds one in its cache. */
class PromptSource {
  readonly #vocab: number;
  #taken = 0;

  constructor(vocab: number) {
    this.#vocab = vocab;
  }

  take(count: number, length: number): number[][] {
    const ordinary = this.#vocab - FIRST_ORDINARY_TOKEN;
    return Array.from({ length: count }, () => {
      const start = this.#taken++;
      return Array.from(
        { length },
        (_, k) => FIRST_ORDINARY_TOKEN + ((k * 7919 + start) % ordinary),
      );
    });
  }
}

/** Vocabularies begin with special tokens and single bytes. */
const FIRST_ORDINARY_TOKEN = 300;
