/**
 * The CPU backend: a llama model and its paged KV cache in one shared WebAssembly memory, run a step
 * at a time by a pool of threads.
 *
 * It needs no driver. `docs/design/2026-11-cpu-backend.md` has the reasons for its shape.
 */

import type { ModelFile, ModelShape } from "../../weights/model_file.ts";
import {
  type Backend,
  type BackendLimits,
  type BackendOptions,
  BLOCK_TOKENS,
  DeviceError,
  type DeviceInfo,
  type KvLayout,
  type SequenceSlice,
  type StepOptions,
  type StepResult,
} from "../backend.ts";
import { checkBlockBytes, checkBlocks, kvLayout } from "../kv_layout.ts";
import { llamaTensors, mapLlama } from "../llama_tensors.ts";
import type { Section } from "../pass_times.ts";
import { ropeTable } from "../rope_table.ts";
import { sliceResults } from "../step_results.ts";
import { type PackedRows, packRows, type RowBounds, rowBounds } from "../step_rows.ts";
import { cpuName } from "./cpu_name.ts";
import { fillLlama, largestStaging, shareOf } from "./fill_llama.ts";
import { compileKernels, instantiateKernels, multipliesBytes } from "./kernel_module.ts";
import { llamaProgram } from "./llama_program.ts";
import { availableMemoryBytes } from "../host_memory.ts";
import { MemoryPlan } from "./memory_plan.ts";
import { type Program, programBytes, writeProgram } from "./program.ts";
import { type SampledRow, writeSampleRecords } from "./sample_records.ts";
import { chunksOf, planStep, scratchBytes, type StepLayout } from "./step_layout.ts";
import { passTimes, sectionsOf, type TimedRun } from "./step_times.ts";
import type { PoolThreadRequest } from "./start_pool_thread.ts";
import { planPool, ThreadPool } from "./thread_pool.ts";
import { planMatrix } from "./weight_panels.ts";

export interface CpuBackendOptions extends BackendOptions {
  /** Threads that compute; by default one for each core, at most MAX_DEFAULT_THREADS. */
  readonly threads?: number;
  /** Makes all threads but the calling one; by default as its workers. */
  readonly startThread?: (request: PoolThreadRequest) => void;
  /** The kind of dot product, for tests; by default what this CPU has. */
  readonly hasByteDot?: boolean;
}

/** Beyond so many, threads of small models mostly wait for each other. */
const MAX_DEFAULT_THREADS = 16;

/** Loads `model` into memory and starts the threads. */
export async function openCpuBackend(
  model: ModelFile,
  options: CpuBackendOptions,
): Promise<CpuBackend> {
  const { shape } = model;
  const threads = options.threads ??
    Math.min(navigator.hardwareConcurrency, MAX_DEFAULT_THREADS);
  const bounds = rowBounds(shape, options);
  const plan = new MemoryPlan();
  const tensors = llamaTensors(model);
  const weights = mapLlama(tensors, {
    matrix: (stack) => planMatrix(stack, plan),
    vector: (tensor) => plan.reserve("weights", tensor.shape[0] * 4),
  });
  const step = planStep(shape, bounds, plan);
  const poolLayout = planPool(plan, { threads, scratchBytes: scratchBytes(shape) });
  const module = await compileKernels();
  const hasByteDot = options.hasByteDot ?? multipliesBytes(module);
  const operations = llamaProgram({ shape, weights, step, hasByteDot });
  const all = [...operations.layers, ...operations.output, ...operations.sample];
  const program = plan.reserve("activations", programBytes(all.length));
  const times = plan.reserve("activations", all.length * Float64Array.BYTES_PER_ELEMENT);
  const piece = new Uint8Array(largestStaging(weights));
  const staging = plan.reserve("activations", piece.length);
  plan.check(model.path, availableMemoryBytes());

  const memory = plan.create();
  const onRead = shareOf(tensors, options.onProgress);
  const kernels = instantiateKernels(module, memory);
  const fill = { file: model, memory, kernels, staging, piece, onRead };
  const { startThread } = options;
  // The threads come while the weights are read.
  const [started, filled] = await Promise.allSettled([
    ThreadPool.start(poolLayout, { module, memory, startThread }),
    fillLlama(tensors, weights, fill),
  ]);
  if (started.status === "rejected") throw started.reason;
  const pool = started.value;
  try {
    if (filled.status === "rejected") throw filled.reason;
    const angles = ropeTable(bounds.maxPositions, shape);
    new Float32Array(memory.buffer, step.angles, angles.length).set(angles);
    const sections = sectionsOf(operations);
    const whole = { ...writeProgram(memory, program, all), sections };
    const first = operations.layers.length;
    const count = operations.output.length;
    const output = {
      address: program + programBytes(first),
      count,
      sections: sections.slice(first, first + count),
    };
    const kind = hasByteDot ? "byte" : "word";
    const parts = { shape, bounds, step, pool, memory, whole, output, times, kind } as const;
    const backend = new CpuBackend(parts);
    await backend.warmUp();
    return backend;
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** A program, and what each of its operations is counted for. */
type StepProgram = Program & { readonly sections: readonly Section[] };

interface CpuBackendParts {
  readonly shape: ModelShape;
  readonly bounds: RowBounds;
  readonly step: StepLayout;
  readonly pool: ThreadPool;
  readonly memory: WebAssembly.Memory;
  /** All operations of a step. */
  readonly whole: StepProgram;
  /** Those that compute logits of output rows. */
  readonly output: StepProgram;
  /** Address of a float64 for each operation, of timed steps. */
  readonly times: number;
  /** What the dot products multiply. */
  readonly kind: "byte" | "word";
}

export class CpuBackend implements Backend {
  readonly device: DeviceInfo;
  readonly shape: ModelShape;
  readonly kv: KvLayout;
  readonly limits: BackendLimits;
  readonly failed: Promise<DeviceError>;
  readonly #parts: CpuBackendParts;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  #isClosed = false;

  /** For `openCpuBackend`. */
  constructor(parts: CpuBackendParts) {
    const { maxRows, maxSlices, totalBlocks } = parts.bounds;
    const { threads } = parts.pool;
    this.device = {
      backend: "cpu",
      adapter: `${cpuName()}, ${threads} ${threads === 1 ? "thread" : "threads"}`,
      isSoftware: true,
      kernels: `WebAssembly SIMD, ${parts.kind} products`,
    };
    this.shape = parts.shape;
    this.kv = kvLayout(parts.shape);
    this.limits = { maxRows, maxSlices, totalBlocks };
    this.failed = parts.pool.failed;
    this.#parts = parts;
    this.#bytes = new Uint8Array(parts.memory.buffer as unknown as SharedArrayBuffer);
  }

  step(slices: readonly SequenceSlice[], options: StepOptions = {}): Promise<StepResult> {
    return Promise.try(() => this.#step(slices, options));
  }

  readBlocks(blocks: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
    return Promise.try(() => {
      this.#assertOpen();
      checkBlocks(blocks, this.limits.totalBlocks);
      const { blockBytes } = this.kv;
      const data = new Uint8Array(blocks.length * blockBytes);
      for (const [i, block] of blocks.entries()) data.set(this.#block(block), i * blockBytes);
      return data;
    });
  }

  writeBlocks(blocks: readonly number[], data: Uint8Array<ArrayBuffer>): void {
    this.#assertOpen();
    checkBlocks(blocks, this.limits.totalBlocks);
    checkBlockBytes(blocks.length, data.length, this.kv);
    const { blockBytes } = this.kv;
    for (const [i, block] of blocks.entries()) {
      this.#block(block).set(data.subarray(i * blockBytes, (i + 1) * blockBytes));
    }
  }

  /**
   * Runs each kernel often enough that V8 has optimised it before the first request: those for four
   * rows and three (fifteen are both), two and one.
   */
  async warmUp(): Promise<void> {
    const { maxRows, maxPositions } = this.#parts.bounds;
    const sample = { temperature: 1, topK: 1, topP: 0.5, seed: 0 };
    for (const rows of [BLOCK_TOKENS - 1, 2, 1]) {
      const count = Math.min(rows, maxRows, maxPositions);
      const tokens = Array.from({ length: count }, () => 0);
      await this.step([{ blockTable: [0], startPosition: 0, tokens, sample }]);
    }
    this.#block(0).fill(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#parts.pool.close();
  }

  #step(slices: readonly SequenceSlice[], { timePasses = false }: StepOptions): StepResult {
    this.#assertOpen();
    const { bounds, whole, output } = this.#parts;
    const { vocab } = this.shape;
    const packed = packRows(slices, bounds);
    const { sampledRows, logitRows } = packed;
    const outputRows = [...new Set([...sampledRows, ...logitRows])];
    const wanted = new Set(logitRows);
    const logits = new Map<number, Float32Array>();
    const runs: TimedRun[] = [];
    this.#write(packed);
    writeSampleRecords(this.#parts.memory, this.#parts.step.sampleRecords, sampledRowsOf(slices));
    for (let at = 0; at === 0 || at < outputRows.length; at += bounds.maxSlices) {
      const rows = outputRows.slice(at, at + bounds.maxSlices);
      this.#words(this.#parts.step.outputRows, rows.length).set(rows);
      this.#words(this.#parts.step.header, 2)[1] = rows.length;
      const program = at === 0 ? whole : output;
      if (timePasses) runs.push(this.#timedRun(program));
      else this.#parts.pool.run(program);
      for (const [i, row] of rows.entries()) {
        if (wanted.has(row)) logits.set(row, this.#floats(i * vocab, vocab).slice());
      }
    }
    const tokens = this.#words(this.#parts.step.tokens, sampledRows.length).slice();
    const results = sliceResults(slices, tokens, logits);
    if (!timePasses) return { slices: results };
    const counts = { output: outputRows.length, sample: sampledRows.length };
    const isDone = (name: keyof typeof counts | "embed" | "layers") =>
      name === "embed" || name === "layers" || counts[name] > 0;
    return { slices: results, passes: passTimes(runs, isDone) };
  }

  #timedRun(program: StepProgram): TimedRun {
    const { pool, times, memory } = this.#parts;
    const startMs = performance.now();
    pool.run(program, times);
    const { sections } = program;
    return {
      sections,
      startMs,
      endsMs: new Float64Array(memory.buffer, times, sections.length).slice(),
    };
  }

  #write({ rows, records, blockTables, sampledRows }: PackedRows): void {
    const { step } = this.#parts;
    let last = 0;
    for (let row = 0; row < rows; row++) last = Math.max(last, records[row * 4 + 1]);
    const chunks = chunksOf(last);
    const isSpread = rows * chunks <= step.partialRows ? 1 : 0;
    this.#words(step.rows, records.length).set(records);
    this.#words(step.blockTables, blockTables.length).set(blockTables);
    this.#words(step.header, 5).set([rows, 0, sampledRows.length, chunks, isSpread]);
  }

  #words(address: number, length: number): Uint32Array<SharedArrayBuffer> {
    return new Uint32Array(this.#bytes.buffer, address, length);
  }

  #floats(first: number, length: number): Float32Array<SharedArrayBuffer> {
    return new Float32Array(this.#bytes.buffer, this.#parts.step.logits + first * 4, length);
  }

  #block(block: number): Uint8Array<SharedArrayBuffer> {
    const start = this.#parts.step.kvCache + block * this.kv.blockBytes;
    return this.#bytes.subarray(start, start + this.kv.blockBytes);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new DeviceError("Cannot use the CPU backend: it is closed");
  }
}

function sampledRowsOf(slices: readonly SequenceSlice[]): SampledRow[] {
  return slices.flatMap(({ sample, startPosition, tokens }) =>
    sample ? [{ parameters: sample, position: startPosition + tokens.length }] : []
  );
}
