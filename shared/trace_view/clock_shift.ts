/**
 * How far apart the clocks of processes are, from the spans alone.
 *
 * A child in another process begins after its parent began, and ends about when the parent ends or
 * before; only one whose end the parent did not wait for may end later. Both bound the offset between
 * the two clocks. Where no offset at all fits the bounds, none is assumed; else the middle of what fits
 * is taken. Clocks belong to processes and not to hosts: each process counts from the time at which it
 * started, so a clock that was set in between shows too.
 */

import { textAttribute, type ViewSpan } from "./span.ts";

export interface ClockShift {
  readonly service: string;
  readonly instance: string;
  readonly host: string;
  /** How far this process's clock is ahead of the root's. */
  readonly aheadUs: number;
  /** Half the width of what fits the spans. */
  readonly uncertaintyUs: number;
}

/** A child that starts this much before its parent says nothing of the clocks. */
const START_SLACK_US = 1_000;
/** A child may end after its parent: the last message is on its way, or a cancel was not heard yet. */
const END_SLACK_US = 10_000;

interface Bounds {
  lowestUs: number;
  highestUs: number;
}

/** The process that made a span, as far as its spans tell. */
export function processKey(span: ViewSpan): string {
  return span.instance === "" ? `${span.host}/${span.service}` : span.instance;
}

/** The shifts of processes whose clocks differ from that of `root`, by `processKey`. */
export function estimateClockShifts(
  spans: readonly ViewSpan[],
  root: ViewSpan,
): Map<string, ClockShift> {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const edges = spans.flatMap((child) => {
    const parent = byId.get(child.parentSpanId);
    return parent === undefined || processKey(parent) === processKey(child)
      ? []
      : [{ parent, child }];
  });
  const aheadUs = new Map([[processKey(root), 0]]);
  const shifts = new Map<string, ClockShift>();
  for (let hasMore = true; hasMore;) {
    hasMore = false;
    const bounds = new Map<string, Bounds & { span: ViewSpan }>();
    for (const { parent, child } of edges) {
      const ofParent = aheadUs.get(processKey(parent));
      const ofChild = aheadUs.get(processKey(child));
      if ((ofParent === undefined) === (ofChild === undefined)) continue;
      const span = ofParent === undefined ? parent : child;
      const found = bounds.get(processKey(span)) ??
        { lowestUs: -Infinity, highestUs: Infinity, span };
      bounds.set(processKey(span), found);
      if (ofParent !== undefined) boundChild(found, { parent, child, knownUs: ofParent });
      else boundParent(found, { parent, child, knownUs: ofChild ?? 0 });
    }
    for (const [key, { span, ...ofProcess }] of bounds) {
      const shift = chooseShift(ofProcess);
      aheadUs.set(key, shift.aheadUs);
      if (shift.aheadUs !== 0) {
        shifts.set(key, {
          service: span.service,
          instance: span.instance,
          host: span.host,
          ...shift,
        });
      }
      hasMore = true;
    }
  }
  return shifts;
}

interface Edge {
  readonly parent: ViewSpan;
  readonly child: ViewSpan;
  /** How far the known end's clock is ahead. */
  readonly knownUs: number;
}

function boundChild(bounds: Bounds, { parent, child, knownUs }: Edge): void {
  bounds.highestUs = Math.min(bounds.highestUs, child.startUs - (parent.startUs - knownUs));
  if (child.endUs === null || parent.endUs === null || isEndUnheard(parent)) return;
  bounds.lowestUs = Math.max(bounds.lowestUs, child.endUs - (parent.endUs - knownUs));
}

function boundParent(bounds: Bounds, { parent, child, knownUs }: Edge): void {
  bounds.lowestUs = Math.max(bounds.lowestUs, parent.startUs - (child.startUs - knownUs));
  if (child.endUs === null || parent.endUs === null || isEndUnheard(parent)) return;
  bounds.highestUs = Math.min(bounds.highestUs, parent.endUs - (child.endUs - knownUs));
}

/**
 * It ended before it heard its child's end: that of a call that was called off, or not waited for, or
 * of a chat that was stopped.
 */
function isEndUnheard(parent: ViewSpan): boolean {
  const stage = textAttribute(parent, "worker.stage");
  return textAttribute(parent, "cancellation.signal") !== undefined ||
    textAttribute(parent, "request.outcome") === "cancelled" ||
    (stage !== undefined && stage !== "end");
}

function chooseShift({ lowestUs, highestUs }: Bounds): { aheadUs: number; uncertaintyUs: number } {
  const none = { aheadUs: 0, uncertaintyUs: 0 };
  if (lowestUs > highestUs || !Number.isFinite(lowestUs) || !Number.isFinite(highestUs)) {
    // The ends do not help: only a start before its parent's is sure to be the clock's doing.
    if (highestUs < -START_SLACK_US) return { aheadUs: highestUs, uncertaintyUs: 0 };
    return none;
  }
  if (lowestUs <= END_SLACK_US && highestUs >= -START_SLACK_US) return none;
  return { aheadUs: (lowestUs + highestUs) / 2, uncertaintyUs: (highestUs - lowestUs) / 2 };
}
