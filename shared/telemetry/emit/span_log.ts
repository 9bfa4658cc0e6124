/**
 * What the log says of one span: `SPAN_FIRST_ENTRY` at its start and `SPAN_CLOSED` at its end, each with
 * the span's ids. The closed line holds all that an exporter would send, so that a trace can be drawn
 * from log lines alone (`shared/trace_view` reads them). Fields are Dynamo's where it has one:
 *
 * | field | meaning |
 * | --- | --- |
 * | `time.start_us`, `time.duration_us` | start in microseconds since 1970, and the time until the end |
 * | `time.busy_us`, `time.idle_us` | of it, without and with an open child in this process |
 * | `otel.kind` | span kind in lower case |
 * | `otel.status_code`, `otel.status_description` | `ERROR` and its message; absent otherwise |
 * | `otel.events` | `{name, time_us, attributes}` each |
 * | `otel.links` | `<trace id>-<span id>` each |
 * | `service.name`, `service.instance.id`, `host.name` | the process |
 * | `trace_flags`, `tracestate` | as in W3C's headers |
 * | all others | the span's attributes |
 */

import type { LineLogger, LogRecord } from "../log/mod.ts";
import type { SpanReference } from "../telemetry.ts";
import type { AcceptedAttributes } from "./attribute_guard.ts";
import { coveredMs, type Interval } from "./own_time.ts";
import type { SpanFacts, SpanLineFields, SpanLineFormat, SpanMembers } from "./span_line_format.ts";

export interface SpanLogOptions {
  readonly log: LineLogger;
  readonly format: SpanLineFormat;
  readonly facts: SpanFacts;
  readonly startMs: number;
  readonly links: readonly SpanReference[];
}

type EventAttributes = Readonly<Record<string, string | number | boolean>>;

export class SpanLog {
  readonly #log: LineLogger;
  readonly #format: SpanLineFormat;
  readonly #facts: SpanFacts;
  readonly #members: SpanMembers;
  /** Beside those of the facts, as they were set. */
  readonly #attributes: AcceptedAttributes[] = [];
  readonly #links: string[];
  readonly #events: Record<string, unknown>[] = [];
  readonly #children: Interval[] = [];
  #failure: string | undefined;

  /** Writes the entry line. */
  constructor({ log, format, facts, startMs, links }: SpanLogOptions) {
    this.#log = log;
    this.#format = format;
    this.#facts = facts;
    this.#members = format.begin(facts);
    this.#links = links.map(linkText);
    this.#write("SPAN_FIRST_ENTRY", { "time.start_us": toUs(startMs) });
  }

  set(attributes: AcceptedAttributes): void {
    this.#members.set(attributes);
    this.#attributes.push(attributes);
  }

  event(name: string, timeMs: number, attributes: EventAttributes = {}): void {
    const hasAttributes = Object.keys(attributes).length > 0;
    this.#events.push({ name, time_us: toUs(timeMs), ...(hasAttributes && { attributes }) });
  }

  link(reference: SpanReference): void {
    this.#links.push(linkText(reference));
  }

  fail(message: string): void {
    this.#failure = message;
  }

  /** A child span of this process has ended. */
  childEnded(interval: Interval): void {
    this.#children.push(interval);
  }

  /** Writes the closed line. */
  close(interval: Interval): void {
    const durationUs = toUs(interval.endMs - interval.startMs);
    const idleUs = Math.min(durationUs, toUs(coveredMs(interval, this.#children)));
    this.#write("SPAN_CLOSED", {
      "otel.events": this.#events.length === 0 ? undefined : this.#events,
      "otel.links": this.#links.length === 0 ? undefined : this.#links,
      "otel.status_code": this.#failure === undefined ? undefined : "ERROR",
      "otel.status_description": this.#failure,
      "time.start_us": toUs(interval.startMs),
      "time.busy_us": durationUs - idleUs,
      "time.idle_us": idleUs,
      "time.duration_us": durationUs,
    });
  }

  #write(message: string, line: SpanLineFields): void {
    this.#log.writePrepared("info", message, {
      ids: this.#facts.ids,
      json: () => this.#members.json(line),
      fields: () => this.#fields(line),
    });
  }

  #fields(line: SpanLineFields): LogRecord["fields"] {
    const attributes = Object.assign({}, this.#facts.attributes, ...this.#attributes);
    return this.#format.fields({ ...this.#facts, attributes }, line);
  }
}

function linkText({ traceId, spanId }: SpanReference): string {
  return `${traceId}-${spanId}`;
}

function toUs(ms: number): number {
  return Math.round(ms * 1000);
}
