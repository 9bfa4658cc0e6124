/**
 * A block: the statistics of some 2,000 spans and, of each span, the few columns that most filters
 * and charts need. Spans of one chunk are neighbours.
 */

import { decode, encode } from "@msgpack/msgpack";
import type { Static } from "../traceql/mod.ts";
import type { KeyScope, KeyStatistics } from "./key_statistics.ts";

export interface BlockColumns {
  /** Chunk of each span, counted from the block's first one. */
  readonly chunk: Uint32Array;
  /** Index into `names`. */
  readonly name: Uint32Array;
  /** Index into `services`. */
  readonly service: Uint32Array;
  /** Kind in bits 0-2, status in 3-4, root in 5. */
  readonly flags: Uint8Array;
  /** Start after `baseNs`, and duration: nanoseconds. */
  readonly startOffsetNs: Float64Array;
  readonly durationNs: Float64Array;
}

export interface Block {
  readonly spans: number;
  readonly names: readonly string[];
  /** Attribute `service.name` of the resource; empty where it is missing or no text. */
  readonly services: readonly string[];
  readonly baseNs: bigint;
  readonly columns: BlockColumns;
  /** By scope and key. */
  readonly keys: ReadonlyMap<KeyScope, ReadonlyMap<string, KeyStatistics>>;
  readonly bloomFilter: Uint8Array;
}

const ROOT_FLAG = 32;

export function packFlags(kind: number, status: number, isRoot: boolean): number {
  return kind | (status << 3) | (isRoot ? ROOT_FLAG : 0);
}

export function kindOf(flags: number): number {
  return flags & 7;
}

export function statusOf(flags: number): number {
  return (flags >> 3) & 3;
}

export function isRoot(flags: number): boolean {
  return (flags & ROOT_FLAG) !== 0;
}

type EncodedStatic = readonly [type: string, value: unknown];

interface EncodedBlock {
  readonly spans: number;
  readonly names: string[];
  readonly services: string[];
  readonly baseNs: string;
  readonly columns: Readonly<Record<keyof BlockColumns, Uint8Array>>;
  readonly keys: [KeyScope, string, EncodedStatic[] | null, number, number][];
  readonly bloomFilter: Uint8Array;
}

/** As it is kept in the database. */
export function encodeBlock(block: Block): Uint8Array {
  const { columns } = block;
  const encoded: EncodedBlock = {
    spans: block.spans,
    names: [...block.names],
    services: [...block.services],
    baseNs: String(block.baseNs),
    columns: {
      chunk: bytesOf(columns.chunk),
      name: bytesOf(columns.name),
      service: bytesOf(columns.service),
      flags: columns.flags,
      startOffsetNs: bytesOf(columns.startOffsetNs),
      durationNs: bytesOf(columns.durationNs),
    },
    keys: [...block.keys.values()].flatMap((ofScope) =>
      [...ofScope.values()].map(({ scope, key, values, min, max }) =>
        [scope, key, values?.map(encodeStatic) ?? null, min, max] satisfies EncodedBlock["keys"][0]
      )
    ),
    bloomFilter: block.bloomFilter,
  };
  return encode(encoded);
}

export function decodeBlock(bytes: Uint8Array): Block {
  // Written by `encodeBlock` of this schema version.
  const { columns, keys, ...rest } = decode(bytes) as EncodedBlock;
  const byScope = new Map<KeyScope, Map<string, KeyStatistics>>();
  for (const [scope, key, values, min, max] of keys) {
    const ofScope = byScope.get(scope) ?? new Map<string, KeyStatistics>();
    byScope.set(scope, ofScope);
    ofScope.set(key, { scope, key, values: values?.map(decodeStatic) ?? null, min, max });
  }
  return {
    ...rest,
    baseNs: BigInt(rest.baseNs),
    columns: {
      chunk: new Uint32Array(bufferOf(columns.chunk)),
      name: new Uint32Array(bufferOf(columns.name)),
      service: new Uint32Array(bufferOf(columns.service)),
      flags: columns.flags.slice(),
      startOffsetNs: new Float64Array(bufferOf(columns.startOffsetNs)),
      durationNs: new Float64Array(bufferOf(columns.durationNs)),
    },
    keys: byScope,
    bloomFilter: rest.bloomFilter.slice(),
  };
}

function encodeStatic(value: Static): EncodedStatic {
  if (!("value" in value)) return [value.type, null];
  return [value.type, typeof value.value === "bigint" ? String(value.value) : value.value];
}

function decodeStatic([type, value]: EncodedStatic): Static {
  const decoded = type === "int" && typeof value === "string" ? BigInt(value) : value;
  return { type, value: decoded } as Static;
}

function bytesOf(array: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** A copy, so that the array is aligned. */
function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer;
}
