/**
 * One trace with its structure: parents, children, the root, nested-set numbers.
 *
 * A span that was sent twice counts once. Parent cycles, which only a broken sender makes, have no
 * root, and everything here ends on them.
 */

import { durationNs, type EventData, type LinkData, type SpanData } from "../otlp/mod.ts";

export interface NestedSet {
  readonly left: number;
  readonly right: number;
  /** -1 for a root, 0 where no root is reached. */
  readonly parent: number;
}

export interface TraceSpan {
  readonly data: SpanData;
  readonly durationNs: number;
  readonly parent: TraceSpan | null;
  readonly children: readonly TraceSpan[];
  readonly trace: TraceView;
}

/** The event and the link that a filter was true with. */
export interface Binding {
  readonly event?: EventData;
  readonly link?: LinkData;
}

interface MutableSpan extends TraceSpan {
  parent: TraceSpan | null;
  readonly children: TraceSpan[];
}

const NO_NUMBERS: NestedSet = { left: 0, right: 0, parent: 0 };

export class TraceView {
  readonly traceId: string;
  /** By start time. */
  readonly spans: readonly TraceSpan[];
  /** The earliest span without a parent; null while it has not arrived. */
  readonly root: TraceSpan | null;
  readonly startNs: bigint;
  readonly endNs: bigint;
  #numbers: Map<TraceSpan, NestedSet> | undefined;

  /** `spans` are of one trace, and at least one. */
  constructor(spans: readonly SpanData[]) {
    const byId = new Map<string, MutableSpan>();
    for (const data of spans) {
      if (byId.has(data.spanId)) continue;
      byId.set(data.spanId, {
        data,
        durationNs: durationNs(data),
        parent: null,
        children: [],
        trace: this,
      });
    }
    const ordered = [...byId.values()].sort(byStart);
    for (const span of ordered) {
      const parent = byId.get(span.data.parentSpanId);
      if (parent === undefined || parent === span) continue;
      span.parent = parent;
      parent.children.push(span);
    }
    this.spans = ordered;
    this.traceId = spans[0]?.traceId ?? "";
    this.root = ordered.find(({ data }) => data.parentSpanId === "") ?? null;
    this.startNs = ordered[0]?.data.startNs ?? 0n;
    this.endNs = ordered.reduce(
      (latest, { data }) => data.endNs > latest ? data.endNs : latest,
      this.startNs,
    );
  }

  get durationNs(): number {
    return Number(this.endNs - this.startNs);
  }

  numbersOf(span: TraceSpan): NestedSet {
    return (this.#numbers ??= this.#nestedSet()).get(span) ?? NO_NUMBERS;
  }

  /** Numbers the spans below each root in order of their start. */
  #nestedSet(): Map<TraceSpan, NestedSet> {
    const numbers = new Map<TraceSpan, { left: number; right: number; parent: number }>();
    let counter = 1;
    for (const root of this.spans) {
      if (root.data.parentSpanId !== "") continue;
      const open: { span: TraceSpan; nextChild: number }[] = [];
      const enter = (span: TraceSpan, parent: number) => {
        numbers.set(span, { left: counter++, right: 0, parent });
        open.push({ span, nextChild: 0 });
      };
      enter(root, -1);
      for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
        const own = numbers.get(top.span);
        const child = top.span.children[top.nextChild++];
        if (child !== undefined) enter(child, own?.left ?? 0);
        else {
          if (own !== undefined) own.right = counter++;
          open.pop();
        }
      }
    }
    return numbers;
  }
}

function byStart(a: TraceSpan, b: TraceSpan): number {
  if (a.data.startNs !== b.data.startNs) return a.data.startNs < b.data.startNs ? -1 : 1;
  return a.data.spanId < b.data.spanId ? -1 : 1;
}
