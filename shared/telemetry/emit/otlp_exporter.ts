/**
 * OTLP over HTTP, in the encoding and with the compression that were asked for. Made from the SDK's
 * parts: its own exporter classes would read the environment behind our back.
 */

import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base";
import {
  createOtlpHttpExportDelegate,
  httpAgentFactoryFromOptions,
} from "@opentelemetry/otlp-exporter-base/node-http";
import {
  JsonTraceSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from "@opentelemetry/otlp-transformer";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import type { ExportProtocol, TelemetryOptions } from "../telemetry.ts";
import { encodeSpans } from "./span_protobuf.ts";

/** Batches come one at a time (`exporter.ts`). */
const CONCURRENCY = 1;

const ENCODINGS = {
  "http/protobuf": {
    serializer: {
      serializeRequest: (spans: ReadableSpan[]) => encodeSpans(spans),
      deserializeResponse: (data: Uint8Array) => ProtobufTraceSerializer.deserializeResponse(data),
    },
    contentType: "application/x-protobuf",
    component: "otlp_http_span_exporter",
  },
  "http/json": {
    serializer: JsonTraceSerializer,
    contentType: "application/json",
    component: "otlp_http_json_span_exporter",
  },
} as const satisfies Record<ExportProtocol, unknown>;

export function createOtlpExporter(
  options: Pick<
    TelemetryOptions,
    | "tracesUrl"
    | "exportHeaders"
    | "exportTimeoutMs"
    | "exportProtocol"
    | "exportCompression"
    | "exportTls"
  >,
): SpanExporter {
  const { serializer, contentType, component } = ENCODINGS[options.exportProtocol];
  const delegate = createOtlpHttpExportDelegate(
    {
      url: options.tracesUrl,
      headers: () => Promise.resolve({ ...options.exportHeaders, "Content-Type": contentType }),
      timeoutMillis: options.exportTimeoutMs,
      concurrencyLimit: CONCURRENCY,
      compression: options.exportCompression,
      agentFactory: httpAgentFactoryFromOptions({ keepAlive: true, ...options.exportTls }),
    },
    serializer,
    component,
    TraceExporterMetricsHelper,
    undefined,
  );
  return new OTLPExporterBase<ReadableSpan[]>(delegate);
}
