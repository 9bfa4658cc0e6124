/**
 * Matrices on the device: planned from the file's tensors, allocated, then filled piece by piece.
 *
 * A matrix may be several tensors stacked (q, k and v read the same input), may be too large for one
 * binding (128 MiB on many adapters), and its tensors may differ in type. So it is a list of parts,
 * each of one format and within the binding limit; a kernel runs once a part. Everything is
 * allocated before anything is read, so that a model that does not fit fails at once.
 */

import type { ModelFile, TensorInfo } from "../../weights/model_file.ts";
import { tensorByteLength } from "../../weights/tensor_types.ts";
import { DeviceError } from "../backend.ts";
import type { Gpu } from "./device.ts";
import type { KernelShapes } from "./kernel_shapes.ts";
import { formatOf, type RowLayout, rowLayout, widthOf } from "./weight_format.ts";
import { interleaveRows, repack, type RepackTarget } from "./weight_repack.ts";

/** Bytes of the file read and repacked at a time. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** What a matrix is filled from. */
export type TensorReader = Pick<ModelFile, "read">;

/** Rows of one tensor that go into a part. */
interface PartSource {
  readonly tensor: TensorInfo;
  readonly tensorRow: number;
  readonly rows: number;
}

/** Rows of one format within the binding limit, before they have buffers. */
export interface PartPlan {
  readonly layout: RowLayout;
  /** Row of the matrix at which the part begins. */
  readonly start: number;
  readonly rows: number;
  /** In order; all of one type. */
  readonly sources: readonly PartSource[];
}

export interface MatrixPlan {
  readonly label: string;
  readonly rows: number;
  readonly columns: number;
  readonly parts: readonly PartPlan[];
  readonly deviceBytes: number;
  readonly fileBytes: number;
}

export interface MatrixPart extends PartPlan {
  readonly quants: GPUBuffer;
  /** The quants again where the format has no scales, so that every format binds alike. */
  readonly scales: GPUBuffer;
}

/** A matrix [rows, columns] in device memory. */
export interface WeightMatrix {
  readonly label: string;
  readonly rows: number;
  readonly columns: number;
  readonly parts: readonly MatrixPart[];
}

export interface PlanOptions {
  readonly shapes: KernelShapes;
  /** Bytes of a buffer at most. */
  readonly maxBindingBytes: number;
}

/** Plans `tensors` stacked by rows. Throws a DeviceError where they cannot be. */
export function planMatrix(
  label: string,
  tensors: readonly TensorInfo[],
  options: PlanOptions,
): MatrixPlan {
  const columns = tensors[0].shape[1];
  const parts: { layout: RowLayout; start: number; rows: number; sources: PartSource[] }[] = [];
  let start = 0;
  for (const tensor of tensors) {
    if (tensor.shape[1] !== columns) {
      throw new DeviceError(
        `Cannot stack ${tensor.name} in ${label}: it has ${
          tensor.shape[1]
        } columns, not ${columns}`,
      );
    }
    const format = formatOf(tensor.type);
    const layout = rowLayout(format, columns, options.shapes.rowsTogether[widthOf(format)]);
    const most = partRows(tensor, layout, options.maxBindingBytes);
    for (let tensorRow = 0; tensorRow < tensor.shape[0];) {
      let part = parts[parts.length - 1];
      if (part?.layout.format !== format || part.rows >= most) {
        part = { layout, start, rows: 0, sources: [] };
        parts.push(part);
      }
      const rows = Math.min(tensor.shape[0] - tensorRow, most - part.rows);
      part.sources.push({ tensor, tensorRow, rows });
      part.rows += rows;
      tensorRow += rows;
      start += rows;
    }
  }
  let deviceBytes = 0;
  for (const { layout, rows } of parts) {
    deviceBytes += paddedRows(rows, layout) * (layout.quantBytes + layout.scaleBytes);
  }
  const fileBytes = tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
  return { label, rows: start, columns, parts, deviceBytes, fileBytes };
}

/** Creates the buffers of a planned matrix. */
export function allocateMatrix(gpu: Gpu, plan: MatrixPlan): WeightMatrix {
  const parts = plan.parts.map((part): MatrixPart => {
    const { quantBytes, scaleBytes } = part.layout;
    const rows = paddedRows(part.rows, part.layout);
    const quants = gpu.storage(`${plan.label} quants`, rows * quantBytes);
    const scales = scaleBytes > 0 ? gpu.storage(`${plan.label} scales`, rows * scaleBytes) : quants;
    return { ...part, quants, scales };
  });
  return { label: plan.label, rows: plan.rows, columns: plan.columns, parts };
}

export interface FillMatrixOptions {
  readonly file: TensorReader;
  /** Hears of the bytes of each piece. */
  readonly onRead?: (bytes: number) => void;
}

/** Reads the rows of `matrix` from `file` into its buffers. */
export async function fillMatrix(
  gpu: Gpu,
  matrix: WeightMatrix,
  { file, onRead }: FillMatrixOptions,
): Promise<void> {
  for (const part of matrix.parts) {
    const { layout, sources } = part;
    const { type } = sources[0].tensor;
    const rowBytes = tensorByteLength(type, layout.columns);
    const total = sources.reduce((sum, { rows }) => sum + rows, 0);
    const together = layout.rowsTogether;
    const groups = Math.max(1, Math.floor(PIECE_BYTES / (rowBytes * together)));
    const rowsAtOnce = Math.min(groups * together, total);
    const piece = new Uint8Array(rowsAtOnce * rowBytes);
    const repacked = new PieceBuffers(layout, rowsAtOnce);
    for (let row = 0; row < total; row += rowsAtOnce) {
      const bytes = piece.subarray(0, Math.min(rowsAtOnce, total - row) * rowBytes);
      await readRows(file, sources, { row, rowBytes, into: bytes });
      repack(type, bytes, repacked);
      repacked.write(gpu, part, { row, rows: bytes.length / rowBytes });
      onRead?.(bytes.length);
    }
  }
}

/** A piece of rows as the device wants them. */
class PieceBuffers implements RepackTarget {
  readonly quants: Uint8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
  readonly #layout: RowLayout;
  readonly #interleaved: Uint32Array<ArrayBuffer>;

  constructor(layout: RowLayout, rows: number) {
    this.#layout = layout;
    this.quants = new Uint8Array(rows * layout.quantBytes);
    this.scales = new Float32Array(rows * layout.scaleBytes / 4);
    const words = layout.rowsTogether > 1 ? paddedRows(rows, layout) * layout.quantBytes / 4 : 0;
    this.#interleaved = new Uint32Array(words);
  }

  write(gpu: Gpu, part: MatrixPart, at: { readonly row: number; readonly rows: number }): void {
    const { quantBytes, scaleBytes, units } = this.#layout;
    const words = (array: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>) =>
      new Uint32Array(array.buffer);
    this.#write(gpu, part.quants, {
      ...at,
      words: words(this.quants),
      rowBytes: quantBytes,
      units,
    });
    if (scaleBytes === 0) return;
    this.#write(gpu, part.scales, {
      ...at,
      words: words(this.scales),
      rowBytes: scaleBytes,
      units,
    });
  }

  #write(
    gpu: Gpu,
    buffer: GPUBuffer,
    from: {
      readonly words: Uint32Array<ArrayBuffer>;
      readonly row: number;
      readonly rows: number;
      readonly rowBytes: number;
      readonly units: number;
    },
  ): void {
    const { row, rows, rowBytes, units } = from;
    const { rowsTogether } = this.#layout;
    const rowWords = rowBytes / 4;
    const words = from.words.subarray(0, rows * rowWords);
    if (rowsTogether === 1) {
      gpu.device.queue.writeBuffer(buffer, row * rowBytes, words);
      return;
    }
    interleaveRows(words, this.#interleaved, {
      rowWords,
      unitWords: rowWords / units,
      rowsTogether,
    });
    const padded = paddedRows(rows, this.#layout) * rowWords;
    gpu.device.queue.writeBuffer(buffer, row * rowBytes, this.#interleaved, 0, padded);
  }
}

/** Reads rows of a part, which may come from several tensors. */
async function readRows(
  file: TensorReader,
  sources: readonly PartSource[],
  rows: {
    readonly row: number;
    readonly rowBytes: number;
    readonly into: Uint8Array<ArrayBuffer>;
  },
): Promise<void> {
  const { row, rowBytes, into } = rows;
  let sourceStart = 0;
  for (const { tensor, tensorRow, rows: sourceRows } of sources) {
    const first = Math.max(row, sourceStart);
    const end = Math.min(row + into.length / rowBytes, sourceStart + sourceRows);
    if (first < end) {
      const target = into.subarray((first - row) * rowBytes, (end - row) * rowBytes);
      await file.read(tensor, (tensorRow + first - sourceStart) * rowBytes, target);
    }
    sourceStart += sourceRows;
  }
}

/** Rows of `layout` that one part may hold. */
function partRows(tensor: TensorInfo, layout: RowLayout, maxBindingBytes: number): number {
  const { quantBytes, scaleBytes, rowsTogether } = layout;
  const groupBytes = Math.max(quantBytes, scaleBytes) * rowsTogether;
  const groups = Math.floor(maxBindingBytes / groupBytes);
  if (groups > 0) return groups * rowsTogether;
  throw new DeviceError(
    `Cannot load ${tensor.name}: its smallest part needs ${groupBytes} bytes, and the adapter ` +
      `binds ${maxBindingBytes}`,
  );
}

function paddedRows(rows: number, { rowsTogether }: RowLayout): number {
  return Math.ceil(rows / rowsTogether) * rowsTogether;
}
