/** A weights file as the engine sees it: a shape, and tensors that can be read piece by piece. */

/** GGML tensor types that Baton reads. Names and numbers are GGUF's. */
export type TensorType =
  | "F32"
  | "F16"
  | "BF16"
  | "Q8_0"
  | "Q4_0"
  | "Q4_1"
  | "Q6_K";

/** Architecture, backend and name of what is no model: shared/engine/simulated. */
export const SIMULATED = "simulated";

/** Llama-family shape; a simulated model has only the parts that are not weights. */
export interface ModelShape {
  readonly architecture: "llama" | typeof SIMULATED;
  readonly contextLength: number;
  readonly hidden: number;
  readonly feedForward: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocab: number;
  readonly ropeTheta: number;
  /** Dimensions of a head that rotate, in interleaved pairs (2i, 2i+1) as GGUF's llama stores them. */
  readonly ropeDim: number;
  readonly rmsEpsilon: number;
  /** True when the output matrix is the embedding (no `output.weight` in the file). */
  readonly isTied: boolean;
}

export interface TensorInfo {
  readonly name: string;
  readonly type: TensorType;
  /** [rows, columns] for matrices, [n] for vectors; columns are contiguous. */
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly fileOffset: number;
  readonly byteLength: number;
}

export interface ModelFile extends AsyncDisposable {
  readonly path: string;
  readonly shape: ModelShape;
  readonly parameterCount: number;
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * Reads `into.length` bytes of a tensor, whole blocks, from `byteOffset` on. Throws a RangeError when
   * it would pass the tensor's end, rejects with a ModelFileError where weights are not finite.
   */
  read(tensor: TensorInfo, byteOffset: number, into: Uint8Array): Promise<void>;
}
