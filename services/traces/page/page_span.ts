/**
 * The span of the page itself: from the click to the last token on the screen. It is the root of the
 * request's trace, is drawn before any service has told of its own spans, and is sent as they are.
 */

import type { ViewSpan } from "../../../shared/trace_view/span.ts";

const SERVICE = "baton-page";
const CLIENT_KIND = 3;
const ERROR_STATUS = 2;

export type PageOutcome = "success" | "cancelled" | "error";

export class PageSpan {
  readonly traceId = randomHex(16);
  readonly spanId = randomHex(8);
  readonly #startMs = nowMs();
  readonly #events: { readonly name: string; readonly timeMs: number }[] = [];
  #endMs: number | null = null;
  #outcome: PageOutcome | null = null;
  #message = "";

  /** What the request carries, so that the services' spans hang below this one. */
  get traceparent(): string {
    return `00-${this.traceId}-${this.spanId}-01`;
  }

  event(name: string): void {
    this.#events.push({ name, timeMs: nowMs() });
  }

  end(outcome: PageOutcome, message = ""): void {
    this.#endMs = nowMs();
    this.#outcome = outcome;
    this.#message = message;
  }

  /** As the waterfall draws it. While it is open, it reaches to now. */
  view(): ViewSpan {
    return {
      traceId: this.traceId,
      spanId: this.spanId,
      parentSpanId: "",
      name: "chat",
      kind: "client",
      service: SERVICE,
      instance: "",
      host: "",
      startUs: this.#startMs * 1000,
      endUs: (this.#endMs ?? nowMs()) * 1000,
      status: this.#outcome === "error" ? "error" : "unset",
      statusMessage: this.#message,
      attributes: this.#attributes(),
      events: this.#events.map(({ name, timeMs }) => ({
        name,
        timeUs: timeMs * 1000,
        attributes: {},
      })),
      links: [],
      isSampled: true,
    };
  }

  /** As an OTLP export request in JSON. */
  exportRequest(): unknown {
    const status = this.#outcome === "error"
      ? { code: ERROR_STATUS, message: this.#message }
      : undefined;
    return {
      resourceSpans: [{
        resource: { attributes: keyValues({ "service.name": SERVICE }) },
        scopeSpans: [{
          scope: { name: "baton" },
          spans: [{
            traceId: this.traceId,
            spanId: this.spanId,
            name: "chat",
            kind: CLIENT_KIND,
            startTimeUnixNano: nanoseconds(this.#startMs),
            endTimeUnixNano: nanoseconds(this.#endMs ?? nowMs()),
            attributes: keyValues(this.#attributes()),
            events: this.#events.map(({ name, timeMs }) => ({
              name,
              timeUnixNano: nanoseconds(timeMs),
            })),
            status,
          }],
        }],
      }],
    };
  }

  #attributes(): Record<string, string> {
    return {
      "http.request.method": "POST",
      "http.route": "/v1/chat/completions",
      ...(this.#outcome === null ? {} : { "request.outcome": this.#outcome }),
    };
  }
}

/** Milliseconds since 1970, with fractions, on a clock that does not jump. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1000)}000`;
}

function keyValues(attributes: Readonly<Record<string, string>>): unknown[] {
  return Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }));
}

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
