/**
 * The WebGPU backend: a llama model and its paged KV cache on one device, run a step at a time.
 *
 * A step is one command buffer, one compute pass (more where its passes are timed) and one submit,
 * then one readback of the sampled tokens. Rows whose logits are wanted go through the output matrix
 * too, at most `maxSlices` at a time: the first of these rounds shares the step's pass.
 */

import type { ModelFile, ModelShape } from "../../weights/model_file.ts";
import {
  type Backend,
  type BackendLimits,
  type BackendOptions,
  type DeviceError,
  type DeviceInfo,
  type KvLayout,
  type SampleParameters,
  type SequenceSlice,
  type StepOptions,
  type StepResult,
} from "../backend.ts";
import { kvLayout } from "../kv_layout.ts";
import { sliceResults } from "../step_results.ts";
import { Gpu } from "./device.ts";
import { checkFit } from "./device_memory.ts";
import { attentionTile, describeShapes, type KernelShapes, shapesFor } from "./kernel_shapes.ts";
import { KvCache } from "./kv_cache.ts";
import { LlamaGraph } from "./llama_graph.ts";
import { allocateLlama, fillLlama, type LlamaWeights, planLlama } from "./llama_weights.ts";
import { SampleOp } from "./ops/sample/sample.ts";
import { Readback, type ReadbackMode } from "./readback.ts";
import { probeImmediateReadback } from "./readback_probe.ts";
import { checkDevice } from "./device_check.ts";
import { rowBounds } from "../step_rows.ts";
import { type PackedStep, packStep, type StepBounds, StepBuffers } from "./step_rows.ts";
import { onePass } from "./step_passes.ts";
import { StepTimer } from "./step_timer.ts";

export interface WebgpuBackendOptions extends BackendOptions {
  /** Kernel shapes; by default those for the adapter. */
  readonly shapes?: KernelShapes;
  /** How results are read; by default the fastest way that a probe finds to work. */
  readonly readbackMode?: ReadbackMode;
}

/** Opens the best WebGPU adapter, tests it, and loads `model` onto it. */
export async function openWebgpuBackend(
  model: ModelFile,
  options: WebgpuBackendOptions,
): Promise<WebgpuBackend> {
  const gpu = await Gpu.open();
  try {
    const probe = options.readbackMode ?? probeImmediateReadback();
    const shapes = options.shapes ?? shapesFor(gpu);
    const maxBindingBytes = gpu.limits.maxStorageBufferBindingSize;
    const plan = planLlama(model, { shapes, maxBindingBytes });
    const bounds = stepBounds(model.shape, options, shapes);
    checkFit(gpu, { model, plan, bounds });
    await checkDevice(gpu, { plan, shape: model.shape, shapes, maxPositions: bounds.maxPositions });
    const readbackMode = await probe;
    const backend = await gpu.checked(`load ${model.path}`, () => {
      const weights = allocateLlama(gpu, plan);
      return {
        weights,
        parts: backendParts(gpu, { model, shapes, bounds, readbackMode, weights }),
      };
    });
    const { onProgress } = options;
    await fillLlama(gpu, { file: model, plan, weights: backend.weights, onProgress });
    const opened = new WebgpuBackend(gpu, backend.parts);
    await opened.warmUp();
    return opened;
  } catch (error) {
    gpu.close();
    throw error;
  }
}

/** What a backend is made of. */
interface BackendParts {
  readonly shape: ModelShape;
  readonly shapes: KernelShapes;
  readonly bounds: StepBounds;
  readonly kv: KvCache;
  readonly buffers: StepBuffers;
  readonly graph: LlamaGraph;
  readonly sample: SampleOp;
  readonly timer: StepTimer;
  readonly tokens: Readback;
  readonly readbackMode: ReadbackMode;
}

export class WebgpuBackend implements Backend {
  readonly device: DeviceInfo;
  readonly shape: ModelShape;
  readonly kv: KvLayout;
  readonly limits: BackendLimits;
  readonly #gpu: Gpu;
  readonly #parts: BackendParts;
  #logits: Readback | null = null;
  #isStepping = false;

  /** For `openWebgpuBackend`. */
  constructor(gpu: Gpu, parts: BackendParts) {
    const { adapter, isSoftware } = gpu;
    const kernels = `${describeShapes(parts.shapes)}, ${parts.readbackMode} readback`;
    this.device = { backend: "webgpu", adapter, isSoftware, kernels };
    this.shape = parts.shape;
    this.kv = parts.kv.layout;
    const { maxRows, maxSlices, totalBlocks } = parts.bounds;
    this.limits = { maxRows, maxSlices, totalBlocks };
    this.#gpu = gpu;
    this.#parts = parts;
  }

  get failed(): Promise<DeviceError> {
    return this.#gpu.failed;
  }

  async step(slices: readonly SequenceSlice[], options: StepOptions = {}): Promise<StepResult> {
    this.#gpu.assertHealthy();
    if (this.#isStepping) throw new RangeError("Cannot run a step: another one is under way");
    const packed = packStep(slices, this.#parts.bounds);
    this.#isStepping = true;
    try {
      return await this.#gpu.run(
        "run a step",
        () => this.#gpu.checked("run a step", () => this.#run(slices, packed, options)),
      );
    } finally {
      this.#isStepping = false;
    }
  }

  async readBlocks(blocks: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#gpu.run("read KV blocks", () => this.#parts.kv.read(blocks));
  }

  writeBlocks(blocks: readonly number[], data: Uint8Array<ArrayBuffer>): void {
    this.#gpu.assertHealthy();
    this.#parts.kv.write(blocks, data);
  }

  /**
   * Maps every staging buffer once and runs every kernel once, so that no request pays for the
   * driver's compilation. Block 0 then holds KV of no sequence.
   */
  async warmUp(): Promise<void> {
    const { tokens, kv, shapes, bounds } = this.#parts;
    await Promise.all([tokens.prime(), kv.prime()]);
    const sample: SampleParameters = { temperature: 1, topK: 1, topP: 1, seed: 0 };
    for (const tile of shapes.tiles) {
      if (tile > Math.min(bounds.maxRows, bounds.maxPositions)) break;
      const tokens = Array.from({ length: tile }, () => 0);
      await this.step([{ blockTable: [0], startPosition: 0, tokens, sample }]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#gpu.close();
  }

  async #run(
    slices: readonly SequenceSlice[],
    packed: PackedStep,
    { timePasses = false }: StepOptions,
  ): Promise<StepResult> {
    const { buffers, graph, sample, timer, tokens, bounds } = this.#parts;
    const { sampledRows, logitRows } = packed;
    const outputRows = [...new Set([...sampledRows, ...logitRows])];
    const wanted = new Set(logitRows);
    const logits = new Map<number, Float32Array>();
    const first = outputRows.slice(0, bounds.maxSlices);

    buffers.write(packed);
    this.#setSampling(slices);
    const encoder = this.#gpu.device.createCommandEncoder({ label: "step" });
    const timing = timer.begin(encoder, { timePasses });
    const { passes } = timing;
    graph.encodeLayers(passes, packed);
    if (first.length > 0) {
      buffers.writeOutputRows(first);
      graph.encodeOutput(passes, first.length);
    }
    if (sampledRows.length > 0) sample.encode(passes.enter("sample"), sampledRows.length);
    passes.end();
    const tokensAt = timing.encodeCopy(tokens.buffer);
    const tokenBytes = sampledRows.length * 4;
    if (tokenBytes > 0) {
      encoder.copyBufferToBuffer(sample.tokens, 0, tokens.buffer, tokensAt, tokenBytes);
    }
    this.#gpu.device.queue.submit([encoder.finish()]);
    // A read waits for the step, also where it has nothing to bring.
    const data = await tokens.read(Math.max(4, tokensAt + tokenBytes));
    await this.#readLogits(first, wanted, logits);
    for (let at = bounds.maxSlices; at < outputRows.length; at += bounds.maxSlices) {
      const rows = outputRows.slice(at, at + bounds.maxSlices);
      this.#computeLogits(rows);
      await this.#readLogits(rows, wanted, logits);
    }
    const ids = new Uint32Array(data.buffer, tokensAt, sampledRows.length);
    return { slices: sliceResults(slices, ids, logits), ...timing.times(data) };
  }

  #setSampling(slices: readonly SequenceSlice[]): void {
    const parameters: SampleParameters[] = [];
    const positions: number[] = [];
    for (const { sample, startPosition, tokens } of slices) {
      if (!sample) continue;
      parameters.push(sample);
      positions.push(startPosition + tokens.length);
    }
    if (parameters.length > 0) this.#parts.sample.setParameters(parameters, positions);
  }

  /** Computes the logits of `rows` of the step that ran last. */
  #computeLogits(rows: readonly number[]): void {
    const { buffers, graph } = this.#parts;
    buffers.writeOutputRows(rows);
    const encoder = this.#gpu.device.createCommandEncoder({ label: "logits" });
    const passes = onePass(encoder);
    graph.encodeOutput(passes, rows.length);
    passes.end();
    this.#gpu.device.queue.submit([encoder.finish()]);
  }

  /** Reads the logits of those of `rows` that are wanted; the device holds them in order of `rows`. */
  async #readLogits(
    rows: readonly number[],
    wanted: ReadonlySet<number>,
    into: Map<number, Float32Array>,
  ): Promise<void> {
    if (!rows.some((row) => wanted.has(row))) return;
    const { vocab } = this.shape;
    const readback = await this.#logitsReadback();
    const bytes = rows.length * vocab * 4;
    const encoder = this.#gpu.device.createCommandEncoder({ label: "read logits" });
    encoder.copyBufferToBuffer(this.#parts.graph.logits, 0, readback.buffer, 0, bytes);
    this.#gpu.device.queue.submit([encoder.finish()]);
    const data = new Float32Array((await readback.read(bytes)).buffer);
    for (const [i, row] of rows.entries()) {
      if (wanted.has(row)) into.set(row, data.subarray(i * vocab, (i + 1) * vocab));
    }
  }

  /** Made at first use: most backends never return logits. */
  async #logitsReadback(): Promise<Readback> {
    if (!this.#logits) {
      this.#logits = new Readback(this.#gpu, {
        label: "logits",
        byteLength: this.limits.maxSlices * this.shape.vocab * 4,
        mode: this.#parts.readbackMode,
      });
      await this.#logits.prime();
    }
    return this.#logits;
  }
}

function stepBounds(
  shape: ModelShape,
  options: BackendOptions,
  shapes: KernelShapes,
): StepBounds {
  return { ...rowBounds(shape, options), attentionTile: attentionTile(shapes, shape) };
}

function backendParts(
  gpu: Gpu,
  options: {
    readonly model: ModelFile;
    readonly shapes: KernelShapes;
    readonly bounds: StepBounds;
    readonly weights: LlamaWeights;
    readonly readbackMode: ReadbackMode;
  },
): BackendParts {
  const { model, shapes, bounds, weights, readbackMode } = options;
  const { shape } = model;
  const { totalBlocks, maxSlices, vocab } = bounds;
  const kv = new KvCache(gpu, { layout: kvLayout(shape), totalBlocks, readbackMode });
  const buffers = new StepBuffers(gpu, bounds);
  const graph = new LlamaGraph(gpu, { shape, shapes, weights, kv, step: buffers, bounds });
  // The sampling is one section more.
  const timer = new StepTimer(gpu, graph.sections + 1);
  return {
    shape,
    shapes,
    bounds,
    kv,
    buffers,
    graph,
    sample: new SampleOp(gpu, { vocab, maxSlices, logits: graph.logits }),
    timer,
    tokens: new Readback(gpu, {
      label: "tokens",
      byteLength: timer.byteLength + maxSlices * 4,
      mode: readbackMode,
    }),
    readbackMode,
  };
}
