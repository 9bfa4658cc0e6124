/** Requests as they happen, a line each: from spans in the order in which the logs tell of them. */

import { formatDuration, oneLine } from "./format.ts";
import {
  REQUEST_SPAN_NAME,
  requestFigures,
  requestOutcome,
  requestTitle,
} from "./request_facts.ts";
import { numberAttribute, textAttribute, type ViewSpan } from "./span.ts";
import type { Paint } from "./style.ts";

/** Stages by the span that tells them, in the order of a request. */
const STAGES: Readonly<Record<string, string>> = {
  "engine.queue": "queue",
  "engine.prefill": "prefill",
  "kv.send": "kv",
  "engine.decode": "decode",
};
/** Traces whose stages are kept; those of older ones are forgotten. */
const MAX_TRACES = 1000;

export class RequestTicker {
  readonly #paint: Paint;
  /** Time by stage, by trace. */
  readonly #stages = new Map<string, Map<string, number>>();
  readonly #ended: ViewSpan[] = [];

  constructor(paint: Paint) {
    this.#paint = paint;
  }

  /** Takes a span that began or ended; returns a line when it is a request that began. */
  add(span: ViewSpan): string | null {
    if (span.name === REQUEST_SPAN_NAME) {
      if (span.endUs !== null) this.#ended.push(span);
      return span.endUs === null ? this.#line(span, ["started", requestTitle(span)]) : null;
    }
    const stage = Object.hasOwn(STAGES, span.name) ? STAGES[span.name] : undefined;
    if (stage === undefined || span.endUs === null) return null;
    const stages = this.#stagesOf(span.traceId);
    stages.set(stage, (stages.get(stage) ?? 0) + span.endUs - span.startUs);
    return null;
  }

  /** Lines of the requests that have ended: once what was read together has all been added. */
  flush(): string[] {
    return this.#ended.splice(0).map((span) => this.#endLine(span));
  }

  #stagesOf(traceId: string): Map<string, number> {
    let stages = this.#stages.get(traceId);
    if (stages === undefined) {
      stages = new Map();
      this.#stages.set(traceId, stages);
      const [oldest] = this.#stages.keys();
      if (this.#stages.size > MAX_TRACES && oldest !== undefined) this.#stages.delete(oldest);
    }
    return stages;
  }

  #endLine(span: ViewSpan): string {
    const stages = this.#stages.get(span.traceId) ?? new Map<string, number>();
    this.#stages.delete(span.traceId);
    const attempts = numberAttribute(span, "attempts") ?? 1;
    const parts = Object.values(STAGES).flatMap((stage) => {
      const us = stages.get(stage);
      return us === undefined ? [] : [`${stage} ${formatDuration(us)}`];
    });
    const isBad = span.status === "error";
    const xRequestId = textAttribute(span, "x_request_id");
    return this.#line(span, [
      this.#paint(requestOutcome(span), isBad ? "red" : "green"),
      this.#paint(formatDuration((span.endUs ?? span.startUs) - span.startUs), "bold"),
      ...[
        requestFigures(span).join(", "),
        parts.join(", "),
        attempts > 1 ? `${attempts} attempts` : "",
        isBad ? oneLine(span.statusMessage) : "",
        xRequestId === undefined ? "" : this.#paint(oneLine(xRequestId), "dim"),
      ].filter((part) => part !== ""),
    ]);
  }

  /** With the time of the start, and the digits of the trace id that readable logs show. */
  #line(span: ViewSpan, parts: readonly string[]): string {
    const time = new Date(span.startUs / 1000).toISOString().slice(11, -1);
    return [this.#paint(time, "dim"), span.traceId.slice(0, 8), ...parts].join("  ");
  }
}
