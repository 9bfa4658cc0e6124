/**
 * The span of one question: from the click to the last token on the screen. It is the root of the
 * request's trace, and is drawn before any service has told of its own spans.
 */

import { ROOT_CONTEXT, SpanKind, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import type { Span } from "@opentelemetry/sdk-trace";
import type { AttributeValues } from "../../../shared/telemetry/registry/mod.ts";
import type { Attributes, ViewSpan } from "../../../shared/trace_view/span.ts";
import { PAGE_INSTANCE, PAGE_SERVICE } from "./page_tracer.ts";

/** The role is "chat_request" of the span registry. */
const NAME = "chat.request";

type ChatAttributes = Partial<AttributeValues<"chat_request">>;

export type PageOutcome = "success" | "cancelled" | "error";

export interface PageSpanOptions {
  readonly model: string;
  readonly route: string;
}

export class PageSpan {
  readonly #span: Span;

  constructor(tracer: Tracer, { model, route }: PageSpanOptions) {
    const attributes: ChatAttributes = {
      "http.request.method": "POST",
      "http.route": route,
      "gen_ai.request.model": model,
    };
    // The SDK's own spans can be read, which its interface does not say.
    this.#span = tracer.startSpan(
      NAME,
      { kind: SpanKind.CLIENT, attributes, startTime: nowMs(), root: true },
      ROOT_CONTEXT,
    ) as Span;
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  get spanId(): string {
    return this.#span.spanContext().spanId;
  }

  /** What the request carries, so that the services' spans hang below this one. */
  get traceparent(): string {
    return `00-${this.traceId}-${this.spanId}-01`;
  }

  event(name: "first_token" | "last_token", atMs: number): void {
    this.#span.addEvent(name, {}, atMs);
  }

  end(outcome: PageOutcome, { pieces, message = "" }: { pieces: number; message?: string }): void {
    const attributes: ChatAttributes = { "request.outcome": outcome, "chat.pieces": pieces };
    this.#span.setAttributes(attributes);
    if (outcome === "error") this.#span.setStatus({ code: SpanStatusCode.ERROR, message });
    this.#span.end(nowMs());
  }

  /** As the waterfall draws it. While it is open, it reaches to now. */
  view(): ViewSpan {
    const { name, startTime, endTime, ended, status, attributes, events } = this.#span;
    return {
      traceId: this.traceId,
      spanId: this.spanId,
      parentSpanId: "",
      name,
      kind: "client",
      service: PAGE_SERVICE,
      instance: PAGE_INSTANCE,
      host: "",
      startUs: microseconds(startTime),
      endUs: ended ? microseconds(endTime) : nowMs() * 1000,
      status: status.code === SpanStatusCode.ERROR ? "error" : "unset",
      statusMessage: status.message ?? "",
      attributes: attributes as Attributes,
      events: events.map((event) => ({
        name: event.name,
        timeUs: microseconds(event.time),
        attributes: {},
      })),
      links: [],
      isSampled: true,
    };
  }
}

/** Milliseconds since 1970, with fractions, on a clock that does not jump. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function microseconds([seconds, nanoseconds]: readonly [number, number]): number {
  return seconds * 1e6 + nanoseconds / 1000;
}
