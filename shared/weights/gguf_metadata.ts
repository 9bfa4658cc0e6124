/** The metadata of a GGUF header: typed values by key, each checked before it is kept. */

import type { GgufBytes } from "./gguf_bytes.ts";

/** The specification's limit is 65,535; real keys are under 100 bytes. */
const MAX_KEY_BYTES = 65_535;
/** The longest real strings are chat templates, about 20 kB. Must fit the reader's buffer. */
const MAX_STRING_BYTES = 1 << 20;
/** The largest known vocabularies have 262,144 tokens and 600,000 merges. */
const MAX_ARRAY_LENGTH = 1 << 21;
/** Of all arrays together; an element of one byte takes eight in memory. The largest known have 1.3 million. */
const MAX_ARRAY_ELEMENTS = 1 << 22;
/** In place of a list of texts that was passed over. */
const SKIPPED = Symbol("skipped");

export const GGUF_VALUE_TYPES = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

/** Reads `keyCount` keys with their values; lists of texts are left out where they are to be skipped. */
export function readMetadata(
  bytes: GgufBytes,
  { keyCount, skipTextLists = false }: {
    readonly keyCount: number;
    readonly skipTextLists?: boolean;
  },
): Map<string, unknown> {
  const metadata = new Map<string, unknown>();
  const keys = new Set<string>();
  let elements = 0;
  for (let index = 0; index < keyCount; index++) {
    const key = bytes.string(`metadata key ${index}`, MAX_KEY_BYTES);
    if (keys.has(key)) throw bytes.error(`metadata key "${key}" stands twice`);
    keys.add(key);
    const value = readValue(bytes, { key, type: bytes.u32(), skipTextLists });
    if (value === SKIPPED) continue;
    if (Array.isArray(value)) elements += value.length;
    if (elements > MAX_ARRAY_ELEMENTS) {
      throw bytes.error(`its metadata arrays have more than ${MAX_ARRAY_ELEMENTS} elements`);
    }
    metadata.set(key, value);
  }
  return metadata;
}

interface ValueSource {
  readonly key: string;
  readonly type: number;
  readonly skipTextLists: boolean;
}

function readValue(bytes: GgufBytes, source: ValueSource): unknown {
  return source.type === GGUF_VALUE_TYPES.array
    ? readArray(bytes, source)
    : scalarReader(bytes, source.key, source.type)();
}

function readArray(
  bytes: GgufBytes,
  { key, skipTextLists }: ValueSource,
): unknown[] | typeof SKIPPED {
  const type = bytes.u32();
  if (type === GGUF_VALUE_TYPES.array) {
    throw bytes.error(`metadata key "${key}" is an array of arrays, which no known key is`);
  }
  const readElement = scalarReader(bytes, key, type);
  const length = bytes.size(`the array length of metadata key "${key}"`, MAX_ARRAY_LENGTH);
  if (length * minElementBytes(type) > bytes.remainingBytes) {
    throw bytes.error(
      `metadata key "${key}" says ${length} elements, more than the header can hold`,
    );
  }
  if (skipTextLists && type === GGUF_VALUE_TYPES.string) {
    for (let index = 0; index < length; index++) {
      bytes.skipString(`metadata key "${key}"`, MAX_STRING_BYTES);
    }
    return SKIPPED;
  }
  const values: unknown[] = [];
  for (let index = 0; index < length; index++) values.push(readElement());
  return values;
}

function scalarReader(bytes: GgufBytes, key: string, type: number): () => unknown {
  switch (type) {
    case GGUF_VALUE_TYPES.u8:
      return () => bytes.u8();
    case GGUF_VALUE_TYPES.i8:
      return () => bytes.i8();
    case GGUF_VALUE_TYPES.u16:
      return () => bytes.u16();
    case GGUF_VALUE_TYPES.i16:
      return () => bytes.i16();
    case GGUF_VALUE_TYPES.u32:
      return () => bytes.u32();
    case GGUF_VALUE_TYPES.i32:
      return () => bytes.i32();
    case GGUF_VALUE_TYPES.f32:
      return () => bytes.f32();
    case GGUF_VALUE_TYPES.bool:
      return () => readBoolean(bytes, key);
    case GGUF_VALUE_TYPES.string:
      return () => bytes.string(`metadata key "${key}"`, MAX_STRING_BYTES);
    case GGUF_VALUE_TYPES.u64:
      return () => bytes.u64();
    case GGUF_VALUE_TYPES.i64:
      return () => bytes.i64();
    case GGUF_VALUE_TYPES.f64:
      return () => bytes.f64();
    default:
      throw bytes.error(`metadata key "${key}" has the unknown value type ${type}`);
  }
}

function minElementBytes(type: number): number {
  switch (type) {
    case GGUF_VALUE_TYPES.u8:
    case GGUF_VALUE_TYPES.i8:
    case GGUF_VALUE_TYPES.bool:
      return 1;
    case GGUF_VALUE_TYPES.u16:
    case GGUF_VALUE_TYPES.i16:
      return 2;
    case GGUF_VALUE_TYPES.u32:
    case GGUF_VALUE_TYPES.i32:
    case GGUF_VALUE_TYPES.f32:
      return 4;
    default:
      return 8;
  }
}

function readBoolean(bytes: GgufBytes, key: string): boolean {
  const value = bytes.u8();
  if (value > 1) throw bytes.error(`metadata key "${key}" is a boolean with the value ${value}`);
  return value === 1;
}
