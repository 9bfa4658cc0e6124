/**
 * The answer of one worker over time: when its first token came, and the gaps between tokens that were
 * much longer than the median, each with its cause (`itl.gap` events of `engine.decode`).
 */

import { counted, formatDuration } from "../../../shared/trace_view/format.ts";
import { type Attributes, numberAttribute } from "../../../shared/trace_view/span.ts";
import { spanPlace } from "../../../shared/trace_view/span_place.ts";
import { allNodes, type SpanNode, type TraceTree } from "../../../shared/trace_view/trace_tree.ts";
import { type Child, h, place } from "./dom.ts";
import { listTable } from "./list_table.ts";
import { traceHref } from "./waterfall.ts";

const DECODE = "engine.decode";
const GAP = "itl.gap";
/** What each cause means to the request that waited. */
const CAUSES: Readonly<Record<string, string>> = {
  prefill: "the step also computed another request's prompt",
  batch_growth: "the step had more answers in it than usual",
  kv_wait: "its KV had yet to come from the prefill worker",
  kv_import: "KV of another request was written in",
  kv_export: "KV of a prompt was read out",
  preempted: "it lost its KV blocks and was computed again",
  stall: "nothing was done: a thread was held up, or no core was free",
  readback: "handing the step to the device, or its result back, took longer",
  engine: "the step itself took longer",
};

export interface TokenGap {
  /** On the trace's clock. */
  readonly startUs: number;
  readonly endUs: number;
  /** Number of the token that came late, from 1. */
  readonly token: number | undefined;
  readonly step: number | undefined;
  readonly cause: string;
  readonly causeUs: number | undefined;
  /** The trace of the request that was worked on meanwhile; empty without one. */
  readonly otherTraceId: string;
  readonly otherTokens: number | undefined;
}

/** The gaps that the span tells of, by time. */
export function gapsOf(node: SpanNode): TokenGap[] {
  const shiftUs = node.startUs - node.span.startUs;
  return node.span.events.filter(({ name }) => name === GAP).map(({ timeUs, attributes }) => {
    const endUs = timeUs + shiftUs;
    const token = numberOf(attributes, "token.index");
    const causeMs = numberOf(attributes, "cause_ms");
    return {
      startUs: endUs - (numberOf(attributes, "gap_ms") ?? 0) * 1000,
      endUs,
      token: token === undefined ? undefined : token + 1,
      step: numberOf(attributes, "engine.step"),
      cause: textOf(attributes, "cause"),
      causeUs: causeMs === undefined ? undefined : causeMs * 1000,
      otherTraceId: textOf(attributes, "other.trace_id"),
      otherTokens: numberOf(attributes, "other.tokens"),
    };
  }).sort((a, b) => a.startUs - b.startUs);
}

/** A section for each worker that generated tokens. */
export function tokenTimelines(tree: TraceTree): HTMLElement[] {
  return allNodes(tree.roots).filter(({ span }) => span.name === DECODE).map((node) => {
    const gaps = gapsOf(node);
    return h("section.timeline", [
      h("h2", [`Tokens of ${spanPlace(node.span)}`]),
      h("p.hint", [figures(node).join(" · ")]),
      timeline(node, gaps),
      gaps.length === 0
        ? h("p.hint", ["No gap between tokens was much longer than the median."])
        : gapTable(gaps, tree),
    ]);
  });
}

function figures({ span }: SpanNode): string[] {
  const ms = (name: string, label: string) => {
    const value = numberAttribute(span, name);
    return value === undefined ? [] : [`${label} ${formatDuration(value * 1000)}`];
  };
  const tokens = numberAttribute(span, "output.tokens");
  const rows = numberAttribute(span, "batch.max_rows");
  return [
    ...(tokens === undefined ? [] : [counted(tokens, "token")]),
    ...ms("itl_p50_ms", "between them median"),
    ...ms("itl_p99_ms", "p99"),
    ...ms("itl_max_ms", "longest"),
    ...(rows === undefined ? [] : [`at most ${counted(rows, "row")} in a step`]),
  ];
}

function timeline(node: SpanNode, gaps: readonly TokenGap[]): HTMLElement {
  const totalUs = Math.max(node.endUs - node.startUs, 1);
  const share = (us: number) => Math.min(Math.max((us - node.startUs) / totalUs, 0), 1);
  const shiftUs = node.startUs - node.span.startUs;
  const marks = node.span.events.filter(({ name }) => name !== GAP).map(({ name, timeUs }) =>
    place(h("i.event", [], { attributes: { title: name } }), { left: share(timeUs + shiftUs) })
  );
  const bars = gaps.map((gap) =>
    place(h("i.gap", [], { attributes: { title: gapWords(gap) } }), {
      left: share(gap.startUs),
      width: share(gap.endUs) - share(gap.startUs),
    })
  );
  return h("div.track.token_track", [
    place(h("i.bar"), { left: 0, width: 1 }),
    ...bars,
    ...marks,
  ], { attributes: { role: "img", "aria-label": gaps.map(gapWords).join("; ") || "no long gap" } });
}

function gapWords({ startUs, endUs, token, cause }: TokenGap): string {
  const before = token === undefined ? "" : ` before token ${token}`;
  return `${formatDuration(endUs - startUs)}${before}: ${CAUSES[cause] ?? cause}`;
}

function gapTable(gaps: readonly TokenGap[], tree: TraceTree): HTMLElement {
  const rows = gaps.map((gap): Child[] => [
    formatDuration(gap.startUs - tree.startUs),
    gap.token === undefined ? "" : String(gap.token),
    formatDuration(gap.endUs - gap.startUs),
    h("span.cause", [
      CAUSES[gap.cause] ?? gap.cause,
      gap.causeUs === undefined ? null : ` (${formatDuration(gap.causeUs)})`,
      gap.otherTokens === undefined ? null : `, ${counted(gap.otherTokens, "token")}`,
    ]),
    gap.otherTraceId === "" ? "" : h("a", [gap.otherTraceId.slice(0, 8)], {
      attributes: { href: traceHref(gap.otherTraceId), title: gap.otherTraceId },
    }),
    gap.step === undefined ? "" : String(gap.step),
  ]);
  return listTable(["At", "Token", "Gap", "Because", "Request", "Step"], rows);
}

function numberOf(attributes: Attributes, name: string): number | undefined {
  const value = attributes[name];
  return typeof value === "number" ? value : undefined;
}

function textOf(attributes: Attributes, name: string): string {
  const value = attributes[name];
  return typeof value === "string" ? value : "";
}
