/**
 * Matrices in panels of 8 rows, the layout that `kernels/weights.as` defines: planned from the file's
 * tensors, then filled from it piece by piece.
 *
 * A matrix may be several tensors stacked, of different types: one part for each run of one type.
 */

import type { ModelFile, TensorInfo, TensorType } from "../../weights/model_file.ts";
import { dequantise, TENSOR_TYPES, tensorByteLength } from "../../weights/tensor_types.ts";
import { DeviceError } from "../backend.ts";
import type { TensorStack } from "../llama_tensors.ts";
import type { Kernels } from "./kernel_module.ts";
import type { MemoryPlan } from "./memory_plan.ts";

/** Rows of a panel. */
const PANEL_ROWS = 8;
/** Bytes of the file read and repacked at a time, at least one panel. */
const PIECE_BYTES = 1024 * 1024;

/** Numbers of `kernels/weights.as`. */
const FORMATS: Readonly<Record<TensorType, number>> = {
  F32: 0,
  F16: 1,
  BF16: 2,
  Q8_0: 3,
  Q4_0: 4,
  Q4_1: 5,
  Q6_K: 6,
};

/** Bytes of 32 columns of a panel. */
const BLOCK_BYTES: Readonly<Record<TensorType, number>> = {
  F32: 1024,
  F16: 512,
  BF16: 512,
  Q8_0: 272,
  Q4_0: 144,
  Q4_1: 160,
  // And 16 for each 256 columns.
  Q6_K: 274,
};

/** Rows of one type. */
export interface MatrixPart {
  readonly format: number;
  /** Whether kernels multiply quantised activations. */
  readonly isQuantised: boolean;
  readonly type: TensorType;
  /** Row of the matrix at which the part begins. */
  readonly start: number;
  readonly rows: number;
  readonly panelBytes: number;
  readonly address: number;
  readonly tensors: readonly TensorInfo[];
}

/** A matrix [rows, columns]. */
export interface PanelMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly parts: readonly MatrixPart[];
}

/** Reserves room for stacked tensors. Throws a DeviceError where their shapes do not fit. */
export function planMatrix({ label, tensors }: TensorStack, memory: MemoryPlan): PanelMatrix {
  const columns = tensors[0].shape[1];
  const runs: TensorInfo[][] = [];
  for (const tensor of tensors) {
    if (tensor.shape[1] !== columns) {
      throw new DeviceError(
        `Cannot stack ${tensor.name} in ${label}: it has ${
          tensor.shape[1]
        } columns, not ${columns}`,
      );
    }
    const run = runs.at(-1);
    if (run !== undefined && run[0].type === tensor.type) run.push(tensor);
    else runs.push([tensor]);
  }
  const parts: MatrixPart[] = [];
  let start = 0;
  for (const run of runs) {
    const { type } = run[0];
    const rows = run.reduce((sum, tensor) => sum + tensor.shape[0], 0);
    const panelBytes = columns / 32 * BLOCK_BYTES[type];
    const panels = Math.ceil(rows / PANEL_ROWS);
    const isQuantised = TENSOR_TYPES[type].blockSize > 1;
    const address = memory.reserve("weights", panels * panelBytes);
    parts.push({
      format: FORMATS[type],
      isQuantised,
      type,
      start,
      rows,
      panelBytes,
      address,
      tensors: run,
    });
    start += rows;
  }
  return { rows: start, columns, parts };
}

/** What weights are filled from and where. */
export interface FillTarget {
  readonly file: Pick<ModelFile, "read">;
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  /** Address of `stagingBytes` bytes. */
  readonly staging: number;
  /** As many bytes that a file can be read into: shared memory is not. */
  readonly piece: Uint8Array;
  /** Told of each piece's bytes. */
  readonly onRead: (bytes: number) => void;
}

/** Bytes of staging memory that filling a matrix needs. */
export function stagingBytes(matrix: PanelMatrix): number {
  return Math.max(
    ...matrix.parts.map(({ type }) =>
      Math.max(PIECE_BYTES, PANEL_ROWS * tensorByteLength(type, matrix.columns))
    ),
  );
}

/** Reads a matrix into its place. */
export async function fillMatrix(matrix: PanelMatrix, target: FillTarget): Promise<void> {
  for (const part of matrix.parts) await fillPart(part, matrix.columns, target);
}

async function fillPart(part: MatrixPart, columns: number, target: FillTarget): Promise<void> {
  const { file, memory, kernels, staging, piece, onRead } = target;
  const rowBytes = tensorByteLength(part.type, columns);
  const pieceRows = Math.max(1, Math.floor(PIECE_BYTES / (rowBytes * PANEL_ROWS))) * PANEL_ROWS;
  const staged = new Uint8Array(memory.buffer, staging, pieceRows * rowBytes);
  const reader = new RowReader(part.tensors, rowBytes);
  for (let row = 0; row < part.rows; row += pieceRows) {
    const rows = Math.min(pieceRows, part.rows - row);
    const bytes = piece.subarray(0, rows * rowBytes);
    await reader.read(file, bytes);
    staged.set(bytes);
    for (let at = 0; at < rows; at += PANEL_ROWS) {
      const panel = part.address + (row + at) / PANEL_ROWS * part.panelBytes;
      const count = Math.min(PANEL_ROWS, rows - at);
      kernels.repack(part.format, staging + at * rowBytes, rowBytes, count, panel, columns);
    }
    onRead(bytes.length);
  }
}

/** Reads the rows of stacked tensors one after the other. */
class RowReader {
  readonly #tensors: readonly TensorInfo[];
  readonly #rowBytes: number;
  #index = 0;
  #row = 0;

  constructor(tensors: readonly TensorInfo[], rowBytes: number) {
    this.#tensors = tensors;
    this.#rowBytes = rowBytes;
  }

  async read(file: Pick<ModelFile, "read">, into: Uint8Array): Promise<void> {
    for (let at = 0; at < into.length;) {
      const tensor = this.#tensors[this.#index];
      const left = (tensor.shape[0] - this.#row) * this.#rowBytes;
      const bytes = Math.min(left, into.length - at);
      await file.read(tensor, this.#row * this.#rowBytes, into.subarray(at, at + bytes));
      at += bytes;
      this.#row += bytes / this.#rowBytes;
      if (this.#row < tensor.shape[0]) continue;
      this.#index++;
      this.#row = 0;
    }
  }
}

/** Reads a vector as floats to `address`. */
export async function fillVector(
  tensor: TensorInfo,
  address: number,
  { file, memory }: Pick<FillTarget, "file" | "memory">,
): Promise<void> {
  const bytes = new Uint8Array(tensor.byteLength);
  await file.read(tensor, 0, bytes);
  const values = new Float32Array(tensor.shape[0]);
  dequantise(tensor.type, bytes, values);
  new Float32Array(memory.buffer, address, values.length).set(values);
}
