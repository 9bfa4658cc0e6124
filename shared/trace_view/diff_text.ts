/** The comparison of two traces as text: one line a span, then what grew, shrank, came and went. */

import { fit, formatChange, formatDuration, formatShare, oneLine } from "./format.ts";
import { requestNode, requestOutcome, requestTitle } from "./request_facts.ts";
import { spanPlace } from "./span_place.ts";
import type { Style } from "./style.ts";
import {
  type DiffNode,
  durationUs,
  onlyIn,
  ownTimeChanges,
  type SpanChange,
  type TraceDiff,
} from "./trace_diff.ts";
import type { TraceTree } from "./trace_tree.ts";
import { treeRows } from "./tree_rows.ts";
import type { TextOptions } from "./waterfall_text.ts";
import { wrap } from "./wrap.ts";

const MIN_WIDTH = 60;
const TIME_WIDTH = 10;
const CHANGE_WIDTH = 11;
const SHARE_WIDTH = 8;
const LABEL_WIDTH = 10;
/** From so many times as long on, percents say little. */
const TOLD_IN_TIMES = 10;
const MAX_LISTED = 6;
/** A change is told from this share of the longer trace on, and this large. */
const CHANGE_SHARE = 0.01;
const CHANGE_MIN_US = 100;

/** The lines of a comparison, without line feeds. */
export function diffLines(diff: TraceDiff, options: TextOptions): string[] {
  const width = Math.max(options.width, MIN_WIDTH);
  return [
    traceLine("A", diff.before, options),
    traceLine("B", diff.after, options),
    "",
    ...spanLines(diff, { ...options, width }),
    "",
    ...wordLines(diff, { ...options, width }),
  ];
}

function traceLine(name: string, tree: TraceTree, { paint }: TextOptions): string {
  const { span } = requestNode(tree);
  return [
    paint(name, "bold"),
    tree.traceId,
    requestTitle(span),
    requestOutcome(span),
    formatDuration(tree.endUs - tree.startUs),
  ].join("  ");
}

function spanLines(diff: TraceDiff, { width, paint }: TextOptions): string[] {
  const name = width - 2 * TIME_WIDTH - CHANGE_WIDTH - SHARE_WIDTH;
  const head = fit("", name) + "A".padStart(TIME_WIDTH) + "B".padStart(TIME_WIDTH) +
    "change".padStart(CHANGE_WIDTH);
  const rows = treeRows(diff.roots).map(({ node, branches }) => {
    const { before, after } = node;
    const label = branches + placeOf(node);
    const changeUs = durationUs(after) - durationUs(before);
    const change = before === null
      ? "new".padStart(CHANGE_WIDTH)
      : after === null
      ? "gone".padStart(CHANGE_WIDTH)
      : formatChange(changeUs).padStart(CHANGE_WIDTH) + shareOf(changeUs, durationUs(before));
    return paint(
      fit(label, name) +
        (before === null ? "-" : formatDuration(durationUs(before))).padStart(TIME_WIDTH) +
        (after === null ? "-" : formatDuration(durationUs(after))).padStart(TIME_WIDTH) +
        change,
      ...rowStyles(node, changeUs, smallestTold(diff)),
    ).trimEnd();
  });
  return [paint(head, "dim"), ...rows];
}

function shareOf(changeUs: number, beforeUs: number): string {
  if (beforeUs <= 0 || Math.round(changeUs) === 0) return "";
  const times = (beforeUs + changeUs) / beforeUs;
  return (times >= TOLD_IN_TIMES
    ? `× ${Math.round(times)}`
    : `${changeUs > 0 ? "+" : "-"}${formatShare(Math.abs(changeUs), beforeUs)}`)
    .padStart(SHARE_WIDTH);
}

function rowStyles(node: DiffNode, changeUs: number, toldUs: number): Style[] {
  if (node.before === null) return ["yellow"];
  if (node.after === null) return ["magenta"];
  if (Math.abs(changeUs) < toldUs) return [];
  return [changeUs > 0 ? "red" : "green"];
}

function wordLines(diff: TraceDiff, { width, paint }: TextOptions): string[] {
  const { before, after } = diff;
  const beforeUs = before.endUs - before.startUs;
  const changeUs = after.endUs - after.startUs - beforeUs;
  const told = ownTimeChanges(diff).filter((change) =>
    Math.abs(change.changeUs) >= smallestTold(diff)
  );
  const way = changeUs < 0 ? "less" : "more";
  const share = beforeUs > 0 ? ` (${formatShare(Math.abs(changeUs), beforeUs)})` : "";
  const sections: [string, string[]][] = [
    ["In all", [`B took ${formatDuration(Math.abs(changeUs))} ${way} than A${share}`]],
    ["Grew", listed(told.filter((change) => change.changeUs > 0).map(changeText))],
    ["Shrank", listed(told.filter((change) => change.changeUs < 0).map(changeText))],
    ["Appeared", listed(onlyIn("after", diff.roots).map((node) => sideText(node, "after")))],
    ["Vanished", listed(onlyIn("before", diff.roots).map((node) => sideText(node, "before")))],
    ["Note A", before.notes.map(oneLine)],
    ["Note B", after.notes.map(oneLine)],
  ];
  return sections.flatMap(([label, texts]) =>
    texts.flatMap((text, index) =>
      wrap(text, width - LABEL_WIDTH).map((line, row) =>
        paint(fit(index + row === 0 ? label : "", LABEL_WIDTH), "bold") + line
      )
    )
  );
}

/** One sentence of the first few; none for none. */
function listed(texts: readonly string[]): string[] {
  if (texts.length === 0) return [];
  const more = texts.length > MAX_LISTED ? `, and ${texts.length - MAX_LISTED} more` : "";
  return [texts.slice(0, MAX_LISTED).join(", ") + more];
}

function changeText({ node, changeUs }: SpanChange): string {
  const where = node.children.length > 0 ? " outside of its children" : "";
  return `${placeOf(node)} ${formatChange(changeUs)}${where}`;
}

function sideText(node: DiffNode, side: "before" | "after"): string {
  return `${placeOf(node)} ${formatDuration(durationUs(node[side]))}`;
}

function placeOf({ before, after }: DiffNode): string {
  const shown = after ?? before;
  return shown === null ? "" : spanPlace(shown.span);
}

function smallestTold({ before, after }: TraceDiff): number {
  const longest = Math.max(before.endUs - before.startUs, after.endUs - after.startUs);
  return Math.max(longest * CHANGE_SHARE, CHANGE_MIN_US);
}
