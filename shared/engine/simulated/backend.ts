/**
 * A backend that computes nothing: it takes the time that it is told to and answers with text that is
 * a hash of the sequence so far.
 *
 * The text depends on the sequence, and on the seed where the temperature is not 0, and on nothing else:
 * it is the same aggregated, disaggregated, batched, chunked and migrated. Blocks that were mixed up on
 * the way fail the step (hash_chain_cache.ts). It blocks its thread as a device does.
 */

import {
  type Backend,
  type BackendLimits,
  type BackendOptions,
  DeviceError,
  type DeviceInfo,
  type KvLayout,
  type SequenceSlice,
  type SliceResult,
  type StepOptions,
  type StepResult,
} from "../backend.ts";
import { blocksFor, kvLayout } from "../kv_layout.ts";
import { type ModelShape, SIMULATED } from "../../weights/model_file.ts";
import { HashChainCache } from "./hash_chain_cache.ts";
import { END_TOKEN, simulatedShape, syllableToken } from "./simulated_model.ts";
import { simulatedPasses } from "./simulated_passes.ts";
import { mix, type Simulation, stepTimeMs } from "./simulation.ts";

/** Opens the simulated engine. */
export function openSimulatedBackend(simulation: Simulation, options: BackendOptions): Backend {
  return new SimulatedBackend(simulation, options);
}

class SimulatedBackend implements Backend {
  readonly device: DeviceInfo = {
    backend: SIMULATED,
    adapter: "none: a simulated engine, its text is made up",
    isSoftware: true,
  };
  readonly shape: ModelShape;
  readonly kv: KvLayout;
  readonly limits: BackendLimits;
  readonly failed: Promise<DeviceError>;
  readonly #lose: (reason: DeviceError) => void;
  readonly #simulation: Simulation;
  readonly #cache: HashChainCache;
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));
  #lost: DeviceError | null = null;
  #steps = 0;

  constructor(simulation: Simulation, { kvCacheTokens, maxRows, maxSlices }: BackendOptions) {
    this.#simulation = simulation;
    this.shape = simulatedShape(simulation);
    this.kv = kvLayout(this.shape);
    this.limits = { maxRows, maxSlices, totalBlocks: blocksFor(kvCacheTokens) };
    this.#cache = new HashChainCache(this.kv, this.limits.totalBlocks);
    const { promise, resolve } = Promise.withResolvers<DeviceError>();
    this.failed = promise;
    this.#lose = resolve;
  }

  async step(
    slices: readonly SequenceSlice[],
    { timePasses = false }: StepOptions = {},
  ): Promise<StepResult> {
    if (this.#lost !== null) throw this.#lost;
    this.#checkSize(slices);
    const step = ++this.#steps;
    const ms = this.#timeOf(step, slices);
    if (ms > 0) Atomics.wait(this.#sleeper, 0, 0, ms);
    if (this.#has("fail", step)) {
      throw new DeviceError(`Cannot run step ${step}: the simulation says that it fails`);
    }
    if (this.#has("crash", step)) {
      reportError(new Error(`Nobody catches this: the simulation crashes in step ${step}`));
    }
    const results = slices.map((slice) => this.#run(slice));
    const isSampling = slices.some(({ sample }) => sample !== null);
    if (this.#has("lost", step)) {
      this.#lost = new DeviceError(`The device is lost: the simulation says so after step ${step}`);
      this.#lose(this.#lost);
    }
    return {
      slices: results,
      deviceTimeNs: ms * 1e6,
      ...(timePasses ? { passes: simulatedPasses(ms, { isSampling }) } : {}),
    };
  }

  async readBlocks(blocks: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
    return this.#cache.read(blocks);
  }

  writeBlocks(blocks: readonly number[], data: Uint8Array<ArrayBuffer>): void {
    this.#cache.write(blocks, data);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #run({ blockTable, startPosition, tokens, sample, wantLogits }: SequenceSlice): SliceResult {
    if (wantLogits) throw new RangeError("Cannot give logits: a simulated engine computes none");
    let state = this.#cache.stateAt(startPosition, blockTable);
    tokens.forEach((token, index) => {
      const position = startPosition + index;
      const block = blockTable[blocksFor(position + 1) - 1];
      if (block === undefined) {
        throw new RangeError(`Cannot write the KV of position ${position}: no block in the table`);
      }
      state = this.#cache.append(token, { position, before: state, block });
    });
    if (sample === null) return { token: null };
    return { token: this.#choose(sample.temperature === 0 ? state : mix(state, sample.seed)) };
  }

  #choose(state: number): number {
    const { answerTokens } = this.#simulation;
    const isEnd = answerTokens > 0 && mix(state, END_TOKEN) % answerTokens === 0;
    return isEnd ? END_TOKEN : syllableToken(state);
  }

  #timeOf(step: number, slices: readonly SequenceSlice[]): number {
    let decodeRows = 0;
    let prefillTokens = 0;
    for (const { tokens, startPosition } of slices) {
      if (tokens.length === 1 && startPosition > 0) decodeRows++;
      else prefillTokens += tokens.length;
    }
    const faults = this.#simulation.faults.filter((fault) => fault.step === step);
    const extraMs = faults.reduce((ms, each) => each.kind === "slow" ? ms + each.extraMs : ms, 0);
    return stepTimeMs(this.#simulation, { step, decodeRows, prefillTokens }) + extraMs;
  }

  #has(kind: "fail" | "lost" | "crash", step: number): boolean {
    return this.#simulation.faults.some((fault) => fault.kind === kind && fault.step === step);
  }

  #checkSize(slices: readonly SequenceSlice[]): void {
    const { maxRows, maxSlices } = this.limits;
    const rows = slices.reduce((sum, { tokens }) => sum + tokens.length, 0);
    if (rows <= maxRows && slices.length <= maxSlices) return;
    throw new DeviceError(
      `Cannot run a step of ${rows} rows in ${slices.length} slices: at most ${maxRows} rows in ` +
        `${maxSlices} slices fit`,
    );
  }
}
