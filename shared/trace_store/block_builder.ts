/** Collects the spans of consecutive chunks into a block. */

import {
  type Attribute,
  durationNs,
  type ResourceData,
  type ScopeData,
  SPAN_KINDS,
  SPAN_STATUSES,
  type SpanData,
} from "../otlp/mod.ts";
import type { Static } from "../traceql/mod.ts";
import { type Block, type BlockColumns, packFlags } from "./block.ts";
import { buildBloomFilter } from "./bloom_filter.ts";
import { type KeyScope, type KeyStatistics, KeyStatisticsBuilder } from "./key_statistics.ts";

/** Spans after which a block is sealed. */
export const BLOCK_SPANS = 2048;

const KINDS: readonly Static[] = SPAN_KINDS.map((value) => ({ type: "kind", value }));
const STATUSES: readonly Static[] = SPAN_STATUSES.map((value) => ({ type: "status", value }));

export class BlockBuilder {
  #firstChunk = 0;
  #lastChunk = 0;
  readonly #chunk: number[] = [];
  readonly #name: number[] = [];
  readonly #service: number[] = [];
  readonly #flags: number[] = [];
  readonly #startNs: bigint[] = [];
  readonly #durationNs: number[] = [];
  readonly #names = new Map<string, number>();
  readonly #services = new Map<string, number>();
  readonly #keys = new Map<KeyScope, Map<string, KeyStatisticsBuilder>>();
  readonly #hashes = new Set<number>();
  /** Those that every span has. */
  readonly #intrinsics = {
    name: this.#keyOf("intrinsic", "name"),
    kind: this.#keyOf("intrinsic", "kind"),
    status: this.#keyOf("intrinsic", "status"),
    statusMessage: this.#keyOf("intrinsic", "statusMessage"),
    duration: this.#keyOf("intrinsic", "duration"),
  };
  #minStartNs = 0n;
  #maxStartNs = 0n;
  #maxEndNs = 0n;

  get spans(): number {
    return this.#chunk.length;
  }

  get firstChunk(): number {
    return this.#firstChunk;
  }

  get lastChunk(): number {
    return this.#lastChunk;
  }

  get minStartNs(): bigint {
    return this.#minStartNs;
  }

  get maxStartNs(): bigint {
    return this.#maxStartNs;
  }

  get maxEndNs(): bigint {
    return this.#maxEndNs;
  }

  /** Adds the spans of a chunk; ids of chunks grow. */
  add(chunkId: number, spans: readonly SpanData[]): void {
    if (this.spans === 0) this.#firstChunk = chunkId;
    this.#lastChunk = chunkId;
    let resource: ResourceData | undefined;
    let scope: ScopeData | undefined;
    for (const span of spans) {
      const kind = SPAN_KINDS.indexOf(span.kind);
      const status = SPAN_STATUSES.indexOf(span.status);
      this.#addColumns(chunkId, span, packFlags(kind, status, span.parentSpanId === ""));
      this.#addIntrinsics(span, kind, status);
      this.#addAttributes("span", span.attributes);
      for (const event of span.events) {
        this.#keyOf("intrinsic", "event:name").add({ type: "string", value: event.name });
        this.#addAttributes("event", event.attributes);
      }
      for (const link of span.links) this.#addAttributes("link", link.attributes);
      if (span.resource !== resource) {
        resource = span.resource;
        this.#addAttributes("resource", resource.attributes);
      }
      if (span.scope !== scope) {
        scope = span.scope;
        this.#addAttributes("instrumentation", scope.attributes);
        this.#text("instrumentation:name", scope.name);
        this.#text("instrumentation:version", scope.version);
      }
    }
  }

  /** The block as it is now. */
  build(): Block {
    const baseNs = this.#minStartNs;
    const keys = new Map<KeyScope, Map<string, KeyStatistics>>();
    for (const [scope, builders] of this.#keys) {
      keys.set(scope, new Map([...builders].map(([key, builder]) => [key, builder.build()])));
    }
    const columns: BlockColumns = {
      chunk: Uint32Array.from(this.#chunk, (id) => id - this.#firstChunk),
      name: Uint32Array.from(this.#name),
      service: Uint32Array.from(this.#service),
      flags: Uint8Array.from(this.#flags),
      startOffsetNs: Float64Array.from(this.#startNs, (startNs) => Number(startNs - baseNs)),
      durationNs: Float64Array.from(this.#durationNs),
    };
    return {
      spans: this.spans,
      names: [...this.#names.keys()],
      services: [...this.#services.keys()],
      baseNs,
      columns,
      keys,
      bloomFilter: buildBloomFilter(this.#hashes),
    };
  }

  #addColumns(chunkId: number, span: SpanData, flags: number): void {
    const isFirst = this.spans === 0;
    if (isFirst || span.startNs < this.#minStartNs) this.#minStartNs = span.startNs;
    if (isFirst || span.startNs > this.#maxStartNs) this.#maxStartNs = span.startNs;
    if (isFirst || span.endNs > this.#maxEndNs) this.#maxEndNs = span.endNs;
    if (span.startNs > this.#maxEndNs) this.#maxEndNs = span.startNs;
    this.#chunk.push(chunkId);
    this.#name.push(indexIn(this.#names, span.name));
    this.#service.push(indexIn(this.#services, span.resource.serviceName));
    this.#flags.push(flags);
    this.#startNs.push(span.startNs);
    this.#durationNs.push(durationNs(span));
  }

  #addIntrinsics(span: SpanData, kind: number, status: number): void {
    const { name, kind: kinds, status: statuses, statusMessage, duration } = this.#intrinsics;
    name.add({ type: "string", value: span.name });
    kinds.add(KINDS[kind]);
    statuses.add(STATUSES[status]);
    statusMessage.add({ type: "string", value: span.statusMessage });
    duration.add({ type: "duration", value: durationNs(span) });
  }

  #text(key: string, value: string): void {
    this.#keyOf("intrinsic", key).add({ type: "string", value });
  }

  #addAttributes(scope: KeyScope, attributes: readonly Attribute[]): void {
    for (const { key, value } of attributes) this.#keyOf(scope, key).add(value);
  }

  #keyOf(scope: KeyScope, key: string): KeyStatisticsBuilder {
    let ofScope = this.#keys.get(scope);
    if (ofScope === undefined) this.#keys.set(scope, ofScope = new Map());
    let builder = ofScope.get(key);
    if (builder === undefined) {
      ofScope.set(key, builder = new KeyStatisticsBuilder(scope, key, this.#hashes));
    }
    return builder;
  }
}

function indexIn(indices: Map<string, number>, text: string): number {
  let index = indices.get(text);
  if (index === undefined) indices.set(text, index = indices.size);
  return index;
}
