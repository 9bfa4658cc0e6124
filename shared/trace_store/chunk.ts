/** Cuts an export request into chunks: the spans of one trace, in the request's own bytes. */

import { equals } from "@std/bytes/equals.js";
import {
  isZeroId,
  readTraces,
  type ResourcePart,
  type ScopePart,
  type SpanData,
  type SpanPart,
  WireWriter,
} from "../otlp/mod.ts";
import { hash53 } from "./hash.ts";

export interface Chunk {
  readonly traceId: string;
  readonly digest: number;
  readonly spans: readonly SpanData[];
  /** A TracesData. */
  readonly data: Uint8Array<ArrayBuffer>;
}

export interface SplitRequest {
  readonly chunks: readonly Chunk[];
  readonly rejectedSpans: number;
  /** Why spans were rejected; empty when none were. */
  readonly reason: string;
}

/** A larger span would make every reading of its trace slow. */
export const MAX_SPAN_BYTES = 1024 * 1024;

/** SQLite's integers are signed. */
const MAX_TIME_NS = 2n ** 63n - 1n;

interface Placed {
  readonly resource: ResourcePart;
  readonly scope: ScopePart;
  readonly part: SpanPart;
}

/** Throws an OtlpError when the bytes are no export request. */
export function splitRequest(bytes: Uint8Array): SplitRequest {
  const byTrace = new Map<string, Placed[]>();
  const reasons = new Set<string>();
  let rejectedSpans = 0;
  for (const resource of readTraces(bytes)) {
    for (const scope of resource.scopes) {
      for (const part of scope.spans) {
        const reason = rejection(part);
        if (reason !== undefined) {
          rejectedSpans++;
          reasons.add(reason);
          continue;
        }
        const placed = byTrace.get(part.span.traceId);
        if (placed === undefined) byTrace.set(part.span.traceId, [{ resource, scope, part }]);
        else placed.push({ resource, scope, part });
      }
    }
  }
  const chunks = [...byTrace].map(([traceId, placed]) => {
    const data = encodeParts(placed);
    return { traceId, digest: hash53(data), spans: placed.map(({ part }) => part.span), data };
  });
  return { chunks, rejectedSpans, reason: [...reasons].join("; ") };
}

/** Merges the chunks of a trace into one TracesData, each span once, resources that are equal joined. */
export function mergeChunks(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const seen = new Set<string>();
  const groups = new Map<string, Placed[]>();
  for (const resource of chunks.flatMap((bytes) => readTraces(bytes))) {
    for (const scope of resource.scopes) {
      for (const part of scope.spans) {
        if (seen.has(part.span.spanId)) continue;
        seen.add(part.span.spanId);
        const key = `${resource.schemaUrl}\0${resource.resourceBytes.toBase64()}`;
        const group = groups.get(key);
        if (group === undefined) groups.set(key, [{ resource, scope, part }]);
        else group.push({ resource, scope, part });
      }
    }
  }
  return encodeParts([...groups.values()].flat());
}

function rejection({ span, bytes }: SpanPart): string | undefined {
  if (isZeroId(span.traceId)) return "a span has no trace id";
  if (isZeroId(span.spanId)) return "a span has no span id";
  if (span.startNs > MAX_TIME_NS || span.endNs > MAX_TIME_NS) {
    return "a span is after the year 2262";
  }
  if (bytes.length > MAX_SPAN_BYTES) {
    return `the span "${span.name.slice(0, 100)}" has ${bytes.length} bytes, over the limit of ` +
      `${MAX_SPAN_BYTES}`;
  }
  return undefined;
}

/** Kept, because its buffer is the costly part of a small chunk. */
const writer = new WireWriter();

/** Neighbours of the same resource and scope share one message. */
function encodeParts(placed: readonly Placed[]): Uint8Array<ArrayBuffer> {
  for (const ofResource of runs(placed, isSameResource)) {
    const { resource } = ofResource[0];
    writer.message(1, () => {
      if (resource.resourceBytes.length > 0) writer.bytes(1, resource.resourceBytes);
      for (const ofScope of runs(ofResource, isSameScope)) {
        const { scope } = ofScope[0];
        writer.message(2, () => {
          if (scope.scopeBytes.length > 0) writer.bytes(1, scope.scopeBytes);
          for (const { part } of ofScope) writer.bytes(2, part.bytes);
          if (scope.schemaUrl !== "") writer.string(3, scope.schemaUrl);
        });
      }
      if (resource.schemaUrl !== "") writer.string(3, resource.schemaUrl);
    });
  }
  return writer.finish();
}

function isSameResource({ resource: a }: Placed, { resource: b }: Placed): boolean {
  return a === b ||
    (a.schemaUrl === b.schemaUrl && equals(a.resourceBytes, b.resourceBytes));
}

function isSameScope({ scope: a }: Placed, { scope: b }: Placed): boolean {
  return a === b || (a.schemaUrl === b.schemaUrl && equals(a.scopeBytes, b.scopeBytes));
}

/** Neighbours that are alike, together. */
function runs(
  placed: readonly Placed[],
  areAlike: (a: Placed, b: Placed) => boolean,
): Placed[][] {
  const result: Placed[][] = [];
  for (const one of placed) {
    const last = result.at(-1);
    if (last !== undefined && areAlike(last[0], one)) last.push(one);
    else result.push([one]);
  }
  return result;
}
