/**
 * Prefill, decode and batched decode tokens/s of Baton beside its peers, on the CPU and on the adapter
 * at hand, with load times and memory.
 *
 * Every engine is loaded once in its own process; rounds are interleaved, so that drift of a shared
 * machine hits all alike; the first run of a case warms up where there are several; medians are
 * reported, and ratios only within one run.
 */

import { adapterName, bestAdapter } from "../../shared/engine/webgpu/adapter.ts";
import { createTokenizer, tokenizerDataFromGguf } from "../../shared/tokenizer/mod.ts";
import { type ModelFile, openGguf } from "../../shared/weights/mod.ts";
import { resolveModelFor } from "../../shared/weights/sources/mod.ts";
import { say } from "../say.ts";
import { median } from "../statistics.ts";
import { copyBandwidth } from "./adapter_bandwidth.ts";
import {
  affordableRuns,
  decodeTokensAt,
  type EngineCase,
  engineCases,
  type Speed,
} from "./cases.ts";
import { LlamaBench } from "./llama_bench.ts";
import { PeerProcess, type PeerResult, type RunningPeer } from "./peer_process.ts";
import { type EnginePeer, enginePeers, type PeerDevice } from "./peers.ts";
import { readBandwidth } from "./read_bandwidth.ts";
import { engineHead, engineSection, type PeerFigures } from "./report.ts";

export interface EngineBenchOptions {
  readonly models: readonly string[];
  /** The adapter is left out where there is none. */
  readonly devices: readonly PeerDevice[];
  /** Runs of a case that count, where they take little time. */
  readonly rounds: number;
  /** The most that an engine decodes after a prompt. */
  readonly decodeTokens: number;
  /** Another checkout to measure beside this one. */
  readonly other?: string;
}

/** What every engine continues first, to show that it computes the model. */
const CHECK_PROMPT = "Once upon a time";
const CHECK_TOKENS = 24;
/** Of the run that tells how fast an engine is. */
const PROBE_TOKENS = 8;

/** Runs the benchmark and returns its report as Markdown. */
export async function benchEngine(options: EngineBenchOptions): Promise<string> {
  const adapter = options.devices.includes("adapter") ? await bestAdapter() : null;
  const devices = options.devices.filter((device) => device === "cpu" || adapter !== null);
  const bandwidths = {
    cpu: devices.includes("cpu") ? await readBandwidth() : NaN,
    adapter: adapter === null ? NaN : await copyBandwidth(adapter),
  };
  const parts = [engineHead({
    adapter: adapter === null ? null : adapterName(adapter),
    bandwidths,
    rounds: options.rounds,
    decodeTokens: options.decodeTokens,
  })];
  for (const alias of options.models) {
    const model = await resolveModelFor(alias, { env: Deno.env.toObject() });
    await using file = await openGguf(model.path);
    const { contextLength } = file.shape;
    const peers = await enginePeers(model.path, { devices, other: options.other });
    const cases = engineCases(contextLength, options.decodeTokens);
    const wanted = [cases.short, ...cases.batches, cases.long, cases.longest ?? []].flat();
    const figures = await measure(peers, file, { ...options, cases: wanted });
    parts.push(engineSection(model.name, figures, {
      weightBytes: bytesPerToken(file),
      bandwidths,
      cases,
      contextLength,
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

/** An engine with what it is asked for and has answered. */
interface Measured {
  readonly peer: EnginePeer;
  readonly running: RunningPeer;
  /** Of the check prompt. */
  readonly check: PeerResult;
  readonly tokens: number;
  /** Runs of each case, the first of several uncounted; empty where the engine has failed. */
  readonly runs: Map<EngineCase, number>;
  readonly results: Map<EngineCase, PeerResult[]>;
}

interface MeasureOptions extends EngineBenchOptions {
  readonly cases: readonly EngineCase[];
}

async function measure(
  peers: readonly EnginePeer[],
  file: ModelFile,
  options: MeasureOptions,
): Promise<PeerFigures[]> {
  await using open = new AsyncDisposableStack();
  const prompts = new PromptSource(file.shape.vocab);
  const tokenizer = createTokenizer(tokenizerDataFromGguf(file.metadata));
  const checkPrompt = tokenizer.encode(CHECK_PROMPT, { addSpecial: true, parseSpecial: false });
  const measured: Measured[] = [];
  for (const peer of peers) {
    await orWithout(peer, async () => {
      const running = peer.isLlamaBench ? new LlamaBench(peer) : await PeerProcess.start(peer);
      open.defer(() => running.close());
      const check = await running.generate({ prompts: [checkPrompt], tokens: CHECK_TOKENS });
      const probe = await running.generate({
        prompts: prompts.take(1, options.cases[0].promptTokens),
        tokens: PROBE_TOKENS,
      });
      measured.push({
        peer,
        running,
        check,
        ...planRuns(peer, probe, options),
        results: new Map(),
      });
    });
  }
  await runRounds(measured, prompts, options);
  const reference = measured[0].check.tokens[0];
  return await Promise.all(measured.map(async ({ peer, running, check, results }) => ({
    peer,
    start: running.start,
    firstTokenMs: running.start === null
      ? NaN
      : running.start.readyMs + checkPrompt.length / check.prefillTokensPerSecond * 1e3,
    peakBytes: await running.peakBytes(),
    speeds: new Map([...results].map(([each, list]) => [each, medianSpeed(list)])),
    sameTokens: check.tokens[0] === undefined ? null : sharedStart(reference, check.tokens[0]),
  })));
}

/** Does it; where an engine that is not Baton fails, says so instead. */
async function orWithout(peer: EnginePeer, act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (!peer.isOptional || !(error instanceof Error)) throw error;
    say(error.message);
    return false;
  }
}

function planRuns(
  peer: EnginePeer,
  probe: PeerResult,
  { cases, rounds, decodeTokens }: MeasureOptions,
): Pick<Measured, "tokens" | "runs"> {
  const speed = speedOf(probe);
  const tokens = decodeTokensAt(speed, decodeTokens);
  const possible = cases.filter(({ sequences }) => sequences === 1 || peer.isBatching);
  const most = rounds + 1;
  return {
    tokens,
    runs: new Map(
      possible.map((each) => [each, affordableRuns(speed, { ...each, tokens, most })]),
    ),
  };
}

async function runRounds(
  measured: readonly Measured[],
  prompts: PromptSource,
  { rounds, cases }: MeasureOptions,
): Promise<void> {
  for (let round = 0; round <= rounds; round++) {
    for (const each of cases) {
      const shared = prompts.take(each.sequences, each.promptTokens);
      for (const { peer, running, tokens, runs, results } of measured) {
        const planned = runs.get(each) ?? 0;
        if (round >= planned) continue;
        const hasRun = await orWithout(peer, async () => {
          const result = await running.generate({ prompts: shared, tokens });
          const isWarmUp = round === 0 && planned > 1;
          if (!isWarmUp) results.set(each, [...results.get(each) ?? [], result]);
        });
        if (!hasRun) runs.clear();
      }
    }
  }
}

function speedOf(result: PeerResult): Speed {
  return { prefill: result.prefillTokensPerSecond, decode: result.decodeTokensPerSecond };
}

function medianSpeed(results: readonly PeerResult[]): Speed {
  return {
    prefill: median(results.map((result) => result.prefillTokensPerSecond)),
    decode: median(results.map((result) => result.decodeTokensPerSecond)),
  };
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
