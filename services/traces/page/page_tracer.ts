/**
 * OpenTelemetry in the browser: the page's own spans, sent as they end to the port that served the page.
 */

import type { Tracer } from "@opentelemetry/api";
import { JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
  TracerProvider,
} from "@opentelemetry/sdk-trace";

export const PAGE_SERVICE = "baton-page";
const SCOPE = "baton";
/** Of the SDK's ExportResultCode. */
const SUCCESS = 0;
const FAILED = 1;

/** This tab's clock is one clock. */
export const PAGE_INSTANCE: string = randomId();

/** Browsers make UUIDs for pages of this machine and of HTTPS only. */
function randomId(): string {
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(16)));
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Posts spans to `url`. What cannot be delivered is lost: the trace then starts at the frontend. */
export function createSpanExporter(url: string): SpanExporter {
  const send = async (spans: ReadableSpan[]) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: new TextDecoder().decode(JsonTraceSerializer.serializeRequest(spans)),
      // Goes on when the reader closes the page.
      keepalive: true,
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`The trace store answered ${response.status}`);
  };
  return {
    export(spans, done) {
      send(spans).then(() => done({ code: SUCCESS }), (error) => done({ code: FAILED, error }));
    },
    shutdown: () => Promise.resolve(),
  };
}

export interface PageTracer {
  readonly tracer: Tracer;
  /** Resolves when the spans that ended were sent, or cannot be. */
  flush(): Promise<void>;
}

export function createPageTracer(exporter: SpanExporter): PageTracer {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": PAGE_SERVICE,
      "service.instance.id": PAGE_INSTANCE,
    }),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  return {
    tracer: provider.getTracer(SCOPE),
    flush: () => provider.forceFlush().catch(() => {}),
  };
}
