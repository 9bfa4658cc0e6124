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
import { formatOf, type RowLayout, rowLayout } from "./weight_format.ts";
import { repack } from "./weight_repack.ts";

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

/** Plans `tensors` stacked by rows, in parts of at most `maxBindingBytes` a buffer. */
export function planMatrix(
  label: string,
  tensors: readonly TensorInfo[],
  maxBindingBytes: number,
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
    const layout = rowLayout(formatOf(tensor.type), columns);
    const rowBytes = Math.max(layout.quantBytes, layout.scaleBytes);
    const most = Math.floor(maxBindingBytes / rowBytes);
    if (most === 0) {
      throw new DeviceError(
        `Cannot load ${tensor.name}: a row needs ${rowBytes} bytes, and the adapter binds ` +
          `${maxBindingBytes}`,
      );
    }
    for (let tensorRow = 0; tensorRow < tensor.shape[0];) {
      let part = parts[parts.length - 1];
      if (part?.layout.format !== layout.format || part.rows >= most) {
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
    deviceBytes += rows * (layout.quantBytes + layout.scaleBytes);
  }
  const fileBytes = tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
  return { label, rows: start, columns, parts, deviceBytes, fileBytes };
}

/** Creates the buffers of a planned matrix. */
export function allocateMatrix(gpu: Gpu, plan: MatrixPlan): WeightMatrix {
  const parts = plan.parts.map((part): MatrixPart => {
    const quants = gpu.storage(`${plan.label} quants`, part.rows * part.layout.quantBytes);
    const scales = part.layout.scaleBytes > 0
      ? gpu.storage(`${plan.label} scales`, part.rows * part.layout.scaleBytes)
      : quants;
    return { ...part, quants, scales };
  });
  return { label: plan.label, rows: plan.rows, columns: plan.columns, parts };
}

/** Reads the rows of `matrix` from `file` into its buffers; `onRead` hears of each piece's bytes. */
export async function fillMatrix(
  gpu: Gpu,
  matrix: WeightMatrix,
  options: { readonly file: TensorReader; readonly onRead: (bytes: number) => void },
): Promise<void> {
  for (const part of matrix.parts) {
    let partRow = 0;
    for (const source of part.sources) {
      await fillRows(gpu, part, { ...options, source, partRow });
      partRow += source.rows;
    }
  }
}

async function fillRows(
  gpu: Gpu,
  part: MatrixPart,
  options: {
    readonly file: TensorReader;
    readonly source: PartSource;
    readonly partRow: number;
    readonly onRead: (bytes: number) => void;
  },
): Promise<void> {
  const { file, source, partRow, onRead } = options;
  const { layout } = part;
  const rowBytes = tensorByteLength(source.tensor.type, layout.columns);
  const rowsAtOnce = Math.min(source.rows, Math.max(1, Math.floor(PIECE_BYTES / rowBytes)));
  const piece = new Uint8Array(rowsAtOnce * rowBytes);
  const target = {
    quants: new Uint8Array(rowsAtOnce * layout.quantBytes),
    scales: new Float32Array(rowsAtOnce * layout.scaleBytes / 4),
  };
  for (let row = 0; row < source.rows; row += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, source.rows - row);
    const bytes = piece.subarray(0, rows * rowBytes);
    await file.read(source.tensor, (source.tensorRow + row) * rowBytes, bytes);
    repack(source.tensor.type, bytes, target);
    const { queue } = gpu.device;
    const at = partRow + row;
    const { quantBytes, scaleBytes } = layout;
    queue.writeBuffer(part.quants, at * quantBytes, target.quants, 0, rows * quantBytes);
    if (scaleBytes > 0) {
      queue.writeBuffer(part.scales, at * scaleBytes, target.scales, 0, rows * scaleBytes / 4);
    }
    onRead(bytes.length);
  }
}
