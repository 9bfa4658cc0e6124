/**
 * One trace as a tree on one clock, with what is missing from it said in words.
 *
 * - A span whose parent is not there hangs below a stand-in for it, unless its role may have a parent
 *   outside (the client's span above `http-request`).
 * - A span without an end is drawn up to the last that is known of it.
 * - Times of processes whose clock is off are shifted to the root's clock.
 */

import { roleOfName, SPANS } from "../telemetry/registry/mod.ts";
import { type ClockShift, estimateClockShifts, processKey } from "./clock_shift.ts";
import { formatDuration } from "./format.ts";
import type { ViewSpan } from "./span.ts";
import { spanPlace } from "./span_place.ts";

export interface SpanNode {
  readonly span: ViewSpan;
  /** By their start. */
  readonly children: readonly SpanNode[];
  /** On the root's clock. */
  readonly startUs: number;
  /** The same; for an open span the last that is known of it. */
  readonly endUs: number;
  /** A stand-in for a span that nothing tells of. */
  readonly isMissing: boolean;
}

export interface TraceTree {
  readonly traceId: string;
  /** The request first, then what does not hang below it. */
  readonly roots: readonly [SpanNode, ...SpanNode[]];
  /** The first start and the last end of any span, as Tempo has them: a child may outlive its parent. */
  readonly startUs: number;
  readonly endUs: number;
  readonly clockShifts: readonly ClockShift[];
  /** What a reader must know of gaps in the data, a sentence each. */
  readonly notes: readonly string[];
}

/** The name under which a stand-in is shown. */
export const MISSING_NAME = "(missing span)";

interface Draft {
  readonly span: ViewSpan;
  readonly children: Draft[];
  readonly isMissing: boolean;
}

/** Builds the tree of one trace. Throws a RangeError without spans. */
export function buildTree(spans: readonly ViewSpan[]): TraceTree {
  const drafts = hang(spans);
  const [main, ...others] = drafts.sort((a, b) => rank(a) - rank(b) || byStart(a, b));
  if (main === undefined) throw new RangeError("Cannot build a tree: there are no spans");
  const shifts = estimateClockShifts(spans, main.span);
  const limitUs = latest(spans.map((span) => (span.endUs ?? span.startUs) - ahead(span, shifts)));
  const place = (draft: Draft) => placed(draft, { shifts, limitUs });
  const roots: [SpanNode, ...SpanNode[]] = [place(main), ...others.map(place)];
  const clockShifts = [...shifts.values()];
  const nodes = allNodes(roots);
  return {
    traceId: main.span.traceId,
    roots,
    startUs: -latest(nodes.map(({ startUs }) => -startUs)),
    endUs: latest(nodes.map(({ endUs }) => endUs)),
    clockShifts,
    notes: [
      ...openNotes(spans, main.span),
      ...missingNotes(drafts),
      ...clockShifts.map((shift) => clockNote(shift, main.span.service)),
      ...(isExported(main.span) ? [] : ["The trace is not sampled: no collector has its spans"]),
    ],
  };
}

function isExported({ isSampled, attributes }: ViewSpan): boolean {
  return isSampled || "trace.kept" in attributes;
}

/** Every node of a tree, each before its children. */
export function allNodes(roots: readonly SpanNode[]): SpanNode[] {
  return roots.flatMap((node) => [node, ...allNodes(node.children)]);
}

/** Whether a span's own time is that of the siblings which feed it. */
export function isFedBySiblings({ span }: SpanNode): boolean {
  const role = roleOfName(span.name);
  return role !== null && SPANS[role].isFedBySiblings === true;
}

/** Hangs spans below their parents; returns the tops. */
function hang(spans: readonly ViewSpan[]): Draft[] {
  const drafts = new Map<string, Draft>(
    spans.map((span) => [span.spanId, { span, children: [], isMissing: false }]),
  );
  const standIns = new Map<string, Draft>();
  const tops: Draft[] = [];
  for (const draft of drafts.values()) {
    const { parentSpanId } = draft.span;
    const parent = drafts.get(parentSpanId) ?? standIns.get(parentSpanId);
    if (parent !== undefined && !isBelow(parent, draft, drafts)) {
      parent.children.push(draft);
    } else if (parent !== undefined || parentSpanId === "" || mayHaveRemoteParent(draft.span)) {
      tops.push(draft);
    } else {
      const standIn = { span: standInFor(draft.span), children: [draft], isMissing: true };
      standIns.set(parentSpanId, standIn);
      tops.push(standIn);
    }
  }
  return tops;
}

/** Whether hanging `child` below `parent` would close a ring, which only damaged data does. */
function isBelow(parent: Draft, child: Draft, drafts: ReadonlyMap<string, Draft>): boolean {
  const seen = new Set<Draft>();
  for (
    let at: Draft | undefined = parent;
    at !== undefined;
    at = drafts.get(at.span.parentSpanId)
  ) {
    if (at === child) return true;
    if (seen.has(at)) return false;
    seen.add(at);
  }
  return false;
}

function mayHaveRemoteParent({ name }: ViewSpan): boolean {
  const role = roleOfName(name);
  return role !== null && SPANS[role].parents.includes("remote");
}

function standInFor(child: ViewSpan): ViewSpan {
  return {
    ...child,
    spanId: child.parentSpanId,
    parentSpanId: "",
    name: MISSING_NAME,
    kind: "unspecified",
    service: "",
    endUs: null,
    status: "unset",
    statusMessage: "",
    attributes: {},
    events: [],
    links: [],
  };
}

/** The request's own span before others, whole ones before stand-ins. */
function rank({ span, isMissing }: Draft): number {
  if (isMissing) return 2;
  return mayHaveRemoteParent(span) || span.kind === "server" ? 0 : 1;
}

function byStart(a: Draft, b: Draft): number {
  return a.span.startUs - b.span.startUs;
}

interface Placing {
  readonly shifts: ReadonlyMap<string, ClockShift>;
  /** Where an open span ends at the latest. */
  readonly limitUs: number;
}

function placed({ span, children, isMissing }: Draft, placing: Placing): SpanNode {
  const aheadUs = ahead(span, placing.shifts);
  const ownEndUs = span.endUs === null ? null : span.endUs - aheadUs;
  const below = children
    .map((child) => placed(child, { ...placing, limitUs: ownEndUs ?? placing.limitUs }))
    .sort((a, b) => a.startUs - b.startUs);
  const startUs = isMissing ? below[0]?.startUs ?? 0 : span.startUs - aheadUs;
  const knownUs = latest([startUs, ...below.map((child) => child.endUs)]);
  const endUs = ownEndUs ?? (isMissing ? knownUs : Math.max(knownUs, placing.limitUs));
  return { span, children: below, startUs, endUs: Math.max(startUs, endUs), isMissing };
}

function ahead(span: ViewSpan, shifts: ReadonlyMap<string, ClockShift>): number {
  return shifts.get(processKey(span))?.aheadUs ?? 0;
}

function latest(timesUs: readonly number[]): number {
  return timesUs.reduce((latestUs, timeUs) => Math.max(latestUs, timeUs), -Infinity);
}

function openNotes(spans: readonly ViewSpan[], root: ViewSpan): string[] {
  const open = spans.filter(({ endUs }) => endUs === null);
  if (open.length === 0) return [];
  const names = open.map(spanPlace).join(", ");
  const why = root.endUs === null
    ? "The request is still running, or a process was killed"
    : "A process was killed, or its log is cut";
  return [`${why}; without an end: ${names}`];
}

function missingNotes(tops: readonly Draft[]): string[] {
  return tops.filter(({ isMissing }) => isMissing).map(({ span, children }) =>
    `Span ${span.spanId} is not there, the parent of ` +
    `${children.map((child) => child.span.name).join(", ")}: its log is missing, was cut, or its ` +
    "process was killed"
  );
}

function clockNote(shift: ClockShift, reference: string): string {
  const { service, instance, host, aheadUs, uncertaintyUs } = shift;
  const who = [service, instance, host === "" ? "" : `on ${host}`].filter((word) => word !== "");
  const way = aheadUs > 0 ? "ahead of" : "behind";
  const range = uncertaintyUs > 0 ? ` (± ${formatDuration(uncertaintyUs)})` : " or more";
  return `The clock of ${who.join(" ")} is about ${formatDuration(Math.abs(aheadUs))}${range} ` +
    `${way} that of ${reference}: its spans are shifted`;
}
