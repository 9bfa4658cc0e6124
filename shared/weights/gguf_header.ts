/**
 * The GGUF header: metadata and the table of tensors. Versions 2 and 3, little-endian.
 *
 * A header comes from a stranger, so every count is checked against a limit and against the bytes
 * that are left before anything is allocated for it. Refused: other versions and byte orders,
 * nested arrays, duplicate names, tensor types that Baton cannot read, rows that are not whole
 * blocks, tensors that are misaligned, overlap or lie outside the file.
 *
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */

import { GgufBytes } from "./gguf_bytes.ts";
import { readMetadata } from "./gguf_metadata.ts";
import type { TensorInfo } from "./model_file.ts";
import {
  supportedTensorTypes,
  TENSOR_TYPES,
  tensorTypeOfGgufId,
  unsupportedTypeName,
} from "./tensor_types.ts";

/** Real files have 20 to 100 keys. */
const MAX_METADATA_KEYS = 4096;
/** The largest known header (a vocabulary of 262,144 tokens) has 16 MB. Bounds memory. */
const MAX_HEADER_BYTES = 64 << 20;
/** A 128-layer model has about 1,200 tensors. */
const MAX_TENSORS = 65_536;
/** GGML's own limit, its final zero byte included. */
const MAX_TENSOR_NAME_BYTES = 63;
/** GGML's own limit. */
const MAX_DIMENSIONS = 4;
const DEFAULT_ALIGNMENT = 32;

const MAGIC = 0x46554747; // "GGUF"
/** Fewest bytes of a tensor entry: name length, dimension count, one dimension, type, offset. */
const MIN_TENSOR_ENTRY_BYTES = 8 + 4 + 8 + 4 + 8;

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

export interface GgufHeaderOptions {
  readonly path: string;
  readonly fileBytes: number;
  /** Leave lists of texts, such as the vocabulary, out of `metadata`. */
  readonly skipTextLists?: boolean;
}

/** Reads the header of an open file that is positioned at its first byte. */
export function readGgufHeader(file: Deno.FsFile, options: GgufHeaderOptions): GgufHeader {
  const bytes = new GgufBytes(file, { ...options, maxBytes: MAX_HEADER_BYTES });
  readVersion(bytes);
  const tensorCount = bytes.size("the tensor count", MAX_TENSORS);
  const keyCount = bytes.size("the metadata key count", MAX_METADATA_KEYS);
  const metadata = readMetadata(bytes, { keyCount, skipTextLists: options.skipTextLists });
  const entries = readTensorEntries(bytes, tensorCount);
  const alignment = alignmentOf(bytes, metadata);
  const dataStart = Math.ceil(bytes.offset / alignment) * alignment;
  const tensors = new Map<string, TensorInfo>();
  for (const entry of entries) {
    const tensor = placed(bytes, entry, { alignment, dataStart, fileBytes: options.fileBytes });
    tensors.set(tensor.name, tensor);
  }
  refuseOverlaps(bytes, tensors);
  return { metadata, tensors };
}

function readVersion(bytes: GgufBytes): void {
  if (bytes.remainingBytes < 24) throw bytes.error("it is too short to be a GGUF file");
  const magic = bytes.u32();
  if (magic !== MAGIC) throw bytes.error('it does not start with "GGUF"');
  const version = bytes.u32();
  if (version === 2 || version === 3) return;
  const isBigEndian = version !== 0 && (version & 0xffff) === 0;
  throw bytes.error(
    isBigEndian
      ? "it is a big-endian GGUF file, only little-endian is read"
      : `its GGUF version is ${version}, only 2 and 3 are read`,
  );
}

interface TensorEntry {
  readonly name: string;
  /** Contiguous dimension first, as in the file. */
  readonly dimensions: readonly number[];
  readonly typeId: number;
  /** Bytes from the start of the tensor data. */
  readonly dataOffset: number;
  /** Where this entry stands in the file. */
  readonly entryOffset: number;
}

function readTensorEntries(bytes: GgufBytes, tensorCount: number): TensorEntry[] {
  if (tensorCount * MIN_TENSOR_ENTRY_BYTES > bytes.remainingBytes) {
    throw bytes.error(`it says ${tensorCount} tensors, more than the file can hold`);
  }
  const names = new Set<string>();
  const entries: TensorEntry[] = [];
  for (let index = 0; index < tensorCount; index++) {
    const entryOffset = bytes.offset;
    const name = bytes.string(`the name of tensor ${index}`, MAX_TENSOR_NAME_BYTES);
    if (names.has(name)) throw bytes.error(`tensor "${name}" stands twice`);
    names.add(name);
    const dimensionCount = bytes.u32();
    if (dimensionCount < 1 || dimensionCount > MAX_DIMENSIONS) {
      throw bytes.error(
        `tensor "${name}" has ${dimensionCount} dimensions, 1 to ${MAX_DIMENSIONS} are accepted`,
      );
    }
    const dimensions: number[] = [];
    for (let axis = 0; axis < dimensionCount; axis++) {
      const size = bytes.size(`dimension ${axis} of tensor "${name}"`, Number.MAX_SAFE_INTEGER);
      if (size === 0) throw bytes.error(`dimension ${axis} of tensor "${name}" is 0`);
      dimensions.push(size);
    }
    const typeId = bytes.u32();
    const dataOffset = bytes.size(`the offset of tensor "${name}"`, Number.MAX_SAFE_INTEGER);
    entries.push({ name, dimensions, typeId, dataOffset, entryOffset });
  }
  return entries;
}

function alignmentOf(bytes: GgufBytes, metadata: ReadonlyMap<string, unknown>): number {
  const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  const isPowerOfTwo = typeof alignment === "number" && alignment >= 8 && alignment <= 1 << 20 &&
    Number.isInteger(Math.log2(alignment));
  if (!isPowerOfTwo) {
    throw bytes.error(
      `metadata key "general.alignment" is ${alignment}, a power of two from 8 to 1048576 is needed`,
    );
  }
  return alignment;
}

/** Checks an entry and computes where its tensor lies in the file. */
function placed(
  bytes: GgufBytes,
  { name, dimensions, typeId, dataOffset, entryOffset }: TensorEntry,
  region: { alignment: number; dataStart: number; fileBytes: number },
): TensorInfo {
  const type = tensorTypeOfGgufId(typeId);
  if (type === undefined) {
    throw bytes.error(
      `tensor "${name}" has the type ${unsupportedTypeName(typeId)}, ` +
        `supported are ${supportedTensorTypes().join(", ")}`,
      entryOffset,
    );
  }
  const { blockSize, bytesPerBlock } = TENSOR_TYPES[type];
  if (dimensions[0] % blockSize !== 0) {
    throw bytes.error(
      `tensor "${name}" has rows of ${
        dimensions[0]
      } weights, ${type} needs a multiple of ${blockSize}`,
      entryOffset,
    );
  }
  const elements = dimensions.reduce((product, size) => product * size, 1);
  const byteLength = (elements / blockSize) * bytesPerBlock;
  const fileOffset = region.dataStart + dataOffset;
  const end = fileOffset + byteLength;
  if (!Number.isSafeInteger(elements) || !Number.isSafeInteger(end)) {
    const shape = dimensions.toReversed().join(", ");
    throw bytes.error(`tensor "${name}" of shape [${shape}] is too large`, entryOffset);
  }
  if (dataOffset % region.alignment !== 0) {
    throw bytes.error(
      `tensor "${name}" starts at offset ${dataOffset}, which is not a multiple of ${region.alignment}`,
      entryOffset,
    );
  }
  if (end > region.fileBytes) {
    throw bytes.error(
      `tensor "${name}" ends at byte ${end} and the file at ${region.fileBytes}: ` +
        `the file is truncated or damaged`,
      entryOffset,
    );
  }
  return { name, type, shape: dimensions.toReversed(), fileOffset, byteLength };
}

function refuseOverlaps(bytes: GgufBytes, tensors: ReadonlyMap<string, TensorInfo>): void {
  const inFileOrder = [...tensors.values()].sort((a, b) => a.fileOffset - b.fileOffset);
  for (let index = 1; index < inFileOrder.length; index++) {
    const before = inFileOrder[index - 1];
    const tensor = inFileOrder[index];
    if (before.fileOffset + before.byteLength > tensor.fileOffset) {
      throw bytes.error(`tensors "${before.name}" and "${tensor.name}" overlap`, tensor.fileOffset);
    }
  }
}
