/**
 * Chooses one token for each row of a logits buffer, on the device.
 *
 * Greedy rows cost two small dispatches whatever the vocabulary. A step in which some row has a
 * temperature takes a third, one workgroup for each such row, which starts from that row's argmax.
 */

import type { SampleParameters } from "../../../backend.ts";
import { seedWords } from "../../../sampling/gumbel.ts";
import { checkSampleParameters } from "../../../sampling/sample_reference.ts";
import type { Gpu } from "../../device.ts";
import { CANDIDATES, MAX_VOCAB, PARTIAL_WORKGROUP, SAMPLE_WGSL } from "./sample.wgsl.ts";

/** Words of the WGSL struct Row. */
const ROW_WORDS = 6;
/** Keeps 1 / temperature an ordinary number on the device, where it may be flushed or overflow. */
const INVERSE_TEMPERATURE_RANGE = { lowest: 1e-30, highest: 1e30 } as const;

export interface SampleOpOptions {
  readonly vocab: number;
  /** Rows of the logits buffer. */
  readonly maxSlices: number;
  /** [maxSlices, vocab] f32, usage STORAGE. */
  readonly logits: GPUBuffer;
}

/** The sampling op: `setParameters`, then `encode` into a compute pass, then read `tokens`. */
export class SampleOp {
  /** u32 [maxSlices]; usage STORAGE and COPY_SRC. */
  readonly tokens: GPUBuffer;

  readonly #device: GPUDevice;
  readonly #maxSlices: number;
  readonly #rows: GPUBuffer;
  readonly #candidates: GPUBuffer;
  readonly #bindGroup: GPUBindGroup;
  readonly #partialArgmax: GPUComputePipeline;
  readonly #finalArgmax: GPUComputePipeline;
  readonly #sampleRow: GPUComputePipeline;
  #hasTemperature = false;

  /** Throws a RangeError when the vocabulary is larger than the op's exact sums allow. */
  constructor(gpu: Gpu, { vocab, maxSlices, logits }: SampleOpOptions) {
    if (vocab > MAX_VOCAB) {
      throw new RangeError(`Cannot sample from ${vocab} tokens: the op takes at most ${MAX_VOCAB}`);
    }
    const { device } = gpu;
    this.#device = device;
    this.#maxSlices = maxSlices;
    const create = (label: string, words: number) => gpu.storage(`sample ${label}`, 4 * words);
    this.tokens = create("tokens", maxSlices);
    this.#rows = create("rows", ROW_WORDS * maxSlices);
    this.#candidates = create("candidates", 2 * CANDIDATES * maxSlices);

    const types = ["read-only-storage", "read-only-storage", "storage", "storage"] as const;
    const layout = device.createBindGroupLayout({
      label: "sample",
      entries: types.map((type, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type },
      })),
    });
    this.#bindGroup = device.createBindGroup({
      label: "sample",
      layout,
      entries: [logits, this.#rows, this.#candidates, this.tokens].map((buffer, binding) => ({
        binding,
        resource: { buffer },
      })),
    });
    const module = device.createShaderModule({ label: "sample", code: SAMPLE_WGSL });
    const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
    const pipeline = (entryPoint: string) =>
      device.createComputePipeline({
        label: entryPoint,
        layout: pipelineLayout,
        compute: { module, entryPoint, constants: { vocab } },
      });
    this.#partialArgmax = pipeline("partial_argmax");
    this.#finalArgmax = pipeline("final_argmax");
    this.#sampleRow = pipeline("sample_row");
  }

  /**
   * Says how to choose the token of each row, and the absolute position that this token will have.
   * Ordered before every later submit. Throws a RangeError on parameters out of range.
   */
  setParameters(parameters: readonly SampleParameters[], positions: readonly number[]): void {
    const count = parameters.length;
    if (count !== positions.length || count > this.#maxSlices) {
      throw new RangeError(
        `Cannot sample ${count} rows at ${positions.length} positions: ` +
          `the op takes one position for each row and at most ${this.#maxSlices} rows`,
      );
    }
    const words = new Uint32Array(ROW_WORDS * count);
    const floats = new Float32Array(words.buffer);
    for (const [row, { temperature, topK, topP, seed }] of parameters.entries()) {
      checkSampleParameters(parameters[row]);
      const at = ROW_WORDS * row;
      words.set(seedWords(seed), at);
      words[at + 2] = positions[row];
      words[at + 3] = Math.min(topK, MAX_VOCAB);
      floats[at + 4] = topP;
      floats[at + 5] = inverseTemperature(temperature);
    }
    this.#hasTemperature = parameters.some(({ temperature }) => temperature > 0);
    this.#device.queue.writeBuffer(this.#rows, 0, words);
  }

  /** Encodes the choice for rows 0 to `count - 1`, with the parameters set last. */
  encode(pass: GPUComputePassEncoder, count: number): void {
    pass.setBindGroup(0, this.#bindGroup);
    pass.setPipeline(this.#partialArgmax);
    pass.dispatchWorkgroups(CANDIDATES / PARTIAL_WORKGROUP, count);
    pass.setPipeline(this.#finalArgmax);
    pass.dispatchWorkgroups(count);
    if (!this.#hasTemperature) return;
    pass.setPipeline(this.#sampleRow);
    pass.dispatchWorkgroups(count);
  }
}

function inverseTemperature(temperature: number): number {
  if (temperature === 0) return 0;
  const { lowest, highest } = INVERSE_TEMPERATURE_RANGE;
  return Math.min(Math.max(1 / temperature, lowest), highest);
}
