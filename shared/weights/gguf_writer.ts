/**
 * Encodes GGUF version 3 files: header first, then tensor after tensor as their bytes arrive, so that
 * a file of any size passes through little memory.
 *
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */

import { GGUF_VALUE_TYPES } from "./gguf_metadata.ts";
import type { TensorType } from "./model_file.ts";
import { TENSOR_TYPES, tensorByteLength } from "./tensor_types.ts";

const ALIGNMENT = 32;
const VERSION = 3;

/** A metadata value with the type that it has in the file. */
export type GgufValue =
  | { readonly type: "u32" | "i32" | "f32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "f32[]" | "i32[]"; readonly value: readonly number[] }
  | { readonly type: "string[]"; readonly value: readonly string[] };

export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  /** `[rows, columns]` or `[n]`. */
  readonly shape: readonly number[];
  /** The stored bytes in order; all pieces together must have the tensor's length. */
  bytes(): AsyncIterable<Uint8Array>;
}

/** The bytes of a whole file, in order. */
export async function* encodeGguf(
  content: { metadata: ReadonlyMap<string, GgufValue>; tensors: readonly GgufTensor[] },
): AsyncGenerator<Uint8Array> {
  yield padded(encodeHeader(content));
  for (const tensor of content.tensors) {
    const expected = byteLengthOf(tensor);
    let sent = 0;
    for await (const piece of tensor.bytes()) {
      yield piece;
      sent += piece.length;
    }
    if (sent !== expected) {
      throw new RangeError(
        `Cannot encode tensor "${tensor.name}": it has ${expected} bytes and ${sent} came`,
      );
    }
    yield new Uint8Array(paddingAfter(sent));
  }
}

function encodeHeader(
  { metadata, tensors }: {
    metadata: ReadonlyMap<string, GgufValue>;
    tensors: readonly GgufTensor[];
  },
): Uint8Array {
  const out = new ByteBuilder();
  out.raw(new TextEncoder().encode("GGUF"));
  out.u32(VERSION);
  out.u64(tensors.length);
  out.u64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    encodeValue(out, value);
  }
  let dataOffset = 0;
  for (const tensor of tensors) {
    out.string(tensor.name);
    out.u32(tensor.shape.length);
    for (const size of tensor.shape.toReversed()) out.u64(size);
    out.u32(TENSOR_TYPES[tensor.type].ggufId);
    out.u64(dataOffset);
    const byteLength = byteLengthOf(tensor);
    dataOffset += byteLength + paddingAfter(byteLength);
  }
  return out.bytes();
}

function encodeValue(out: ByteBuilder, value: GgufValue): void {
  switch (value.type) {
    case "u32":
    case "i32":
    case "f32":
      out.u32(GGUF_VALUE_TYPES[value.type]);
      return out[value.type](value.value);
    case "bool":
      out.u32(GGUF_VALUE_TYPES.bool);
      return out.raw(Uint8Array.of(value.value ? 1 : 0));
    case "string":
      out.u32(GGUF_VALUE_TYPES.string);
      return out.string(value.value);
    case "f32[]":
    case "i32[]": {
      const element = value.type === "f32[]" ? "f32" : "i32";
      encodeArrayHead(out, { element, length: value.value.length });
      for (const number of value.value) out[element](number);
      return;
    }
    case "string[]":
      encodeArrayHead(out, { element: "string", length: value.value.length });
      for (const text of value.value) out.string(text);
      return;
  }
}

function encodeArrayHead(
  out: ByteBuilder,
  { element, length }: { element: "f32" | "i32" | "string"; length: number },
): void {
  out.u32(GGUF_VALUE_TYPES.array);
  out.u32(GGUF_VALUE_TYPES[element]);
  out.u64(length);
}

function byteLengthOf({ type, shape }: GgufTensor): number {
  return tensorByteLength(type, shape.reduce((product, size) => product * size, 1));
}

function paddingAfter(byteLength: number): number {
  return (ALIGNMENT - byteLength % ALIGNMENT) % ALIGNMENT;
}

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + paddingAfter(bytes.length));
  whole.set(bytes);
  return whole;
}

/** Little-endian bytes in a buffer that grows. */
class ByteBuilder {
  readonly #encoder = new TextEncoder();
  #buffer = new Uint8Array(1 << 16);
  #length = 0;

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
  }

  u32(value: number): void {
    this.#next(4).setUint32(0, value, true);
  }

  i32(value: number): void {
    this.#next(4).setInt32(0, value, true);
  }

  f32(value: number): void {
    this.#next(4).setFloat32(0, value, true);
  }

  u64(value: number): void {
    this.#next(8).setBigUint64(0, BigInt(value), true);
  }

  string(text: string): void {
    const bytes = this.#encoder.encode(text);
    this.u64(bytes.length);
    this.raw(bytes);
  }

  #next(count: number): DataView {
    const at = this.#grow(count);
    return new DataView(this.#buffer.buffer, at, count);
  }

  /** Makes room for `count` bytes and returns where they start. */
  #grow(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, start));
      this.#buffer = larger;
    }
    return start;
  }
}
