/** What the page uses of OpenTelemetry: the entry of the bundle that browsers load. */

export { ROOT_CONTEXT, SpanKind, SpanStatusCode } from "@opentelemetry/api";
export { JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
export { resourceFromAttributes } from "@opentelemetry/resources";
export { SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
