/** Opens GGUF files: the header is checked at once, tensors are read piece by piece on demand. */

import { readAt } from "../download/read_at.ts";
import { readModelShape } from "./architectures.ts";
import { ModelFileError } from "./errors.ts";
import { findNotFinite } from "./finite_weights.ts";
import { type GgufHeader, type GgufHeaderOptions, readGgufHeader } from "./gguf_header.ts";
import type { ModelFile, ModelShape, TensorInfo } from "./model_file.ts";
import { TENSOR_TYPES } from "./tensor_types.ts";

/**
 * Opens a GGUF file and checks its header, its metadata and the place and shape of every tensor.
 *
 * `skipTextLists` spares who needs no vocabulary the memory of its words, which V8 does not give back.
 * Throws a ModelFileError that says what is wrong and where. Dispose the result to close the file.
 */
export async function openGguf(
  path: string,
  options: Pick<GgufHeaderOptions, "skipTextLists"> = {},
): Promise<ModelFile> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    const header = readGgufHeader(file, { ...options, path, fileBytes: size });
    return new GgufFile(file, { path, header, shape: readModelShape(header, path) });
  } catch (error) {
    file.close();
    throw error;
  }
}

async function openFile(path: string): Promise<Deno.FsFile> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true });
  } catch (error) {
    const problem = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : error instanceof Error
      ? error.message
      : String(error);
    throw new ModelFileError(path, problem, { cause: error });
  }
  const { isFile } = await file.stat();
  if (isFile) return file;
  file.close();
  throw new ModelFileError(path, "it is not a regular file");
}

class GgufFile implements ModelFile {
  readonly path: string;
  readonly shape: ModelShape;
  readonly parameterCount: number;
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #file: Deno.FsFile;
  /** A file has one position: reads that overlap in time take turns. */
  #lastRead: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(
    file: Deno.FsFile,
    { path, header, shape }: { path: string; header: GgufHeader; shape: ModelShape },
  ) {
    this.#file = file;
    this.path = path;
    this.shape = shape;
    this.metadata = header.metadata;
    this.tensors = header.tensors;
    this.parameterCount = [...header.tensors.values()]
      .reduce((sum, tensor) => sum + tensor.shape.reduce((product, size) => product * size, 1), 0);
  }

  read(tensor: TensorInfo, byteOffset: number, into: Uint8Array): Promise<void> {
    if (byteOffset < 0 || byteOffset + into.length > tensor.byteLength) {
      throw new RangeError(
        `Cannot read bytes ${byteOffset} to ${
          byteOffset + into.length
        } of tensor "${tensor.name}": ` +
          `it has ${tensor.byteLength} bytes`,
      );
    }
    const { bytesPerBlock } = TENSOR_TYPES[tensor.type];
    if (byteOffset % bytesPerBlock !== 0 || into.length % bytesPerBlock !== 0) {
      throw new RangeError(
        `Cannot read ${into.length} bytes from ${byteOffset} on of tensor "${tensor.name}": ` +
          `its blocks have ${bytesPerBlock} bytes`,
      );
    }
    const turn = this.#lastRead.then(() => this.#readBlocks(tensor, byteOffset, into));
    this.#lastRead = turn.catch(() => {
      // The caller of this read gets the error; the next read starts afresh.
    });
    return turn;
  }

  async #readBlocks(tensor: TensorInfo, byteOffset: number, into: Uint8Array): Promise<void> {
    const fileOffset = tensor.fileOffset + byteOffset;
    const filled = await readAt(this.#file, fileOffset, into);
    if (filled < into.length) {
      throw new ModelFileError(
        this.path,
        `it became shorter while it was read (at byte ${fileOffset + filled})`,
      );
    }
    const wrong = findNotFinite(tensor.type, into);
    if (wrong < 0) return;
    throw new ModelFileError(
      this.path,
      `tensor "${tensor.name}" has a weight that is infinite or no number ` +
        `(at byte ${fileOffset + wrong}): the file is damaged, or its conversion went wrong`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lastRead;
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#file.close();
  }
}
