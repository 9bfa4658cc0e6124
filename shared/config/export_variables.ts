/** The variables of the way to the collector: address, encoding, TLS, and the queue before it. */

import { collectorUrl, compression, protocol } from "./telemetry_schemas.ts";
import {
  headers,
  httpUrl,
  integer,
  optionalHeaders,
  optionalInteger,
  text,
} from "./value_schemas.ts";
import { type Service, variable } from "./variable.ts";

const PROCESSES: readonly Service[] = ["frontend", "prefill", "decode"];
/** The traces service sends the page's spans on, where it keeps none itself. */
const PROCESSES_AND_TRACES: readonly Service[] = [...PROCESSES, "traces"];

const MOST_SPANS = 1_000_000;

export const EXPORT_VARIABLES = {
  OTEL_EXPORTER_OTLP_ENDPOINT: variable(
    PROCESSES_AND_TRACES,
    collectorUrl("http://localhost:4318"),
    "`http://localhost:4318`",
    "Collector; `/v1/traces` is appended",
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: variable(
    PROCESSES_AND_TRACES,
    httpUrl(""),
    "from the line above",
    "Traces endpoint, used as it is",
  ),
  OTEL_EXPORTER_OTLP_PROTOCOL: variable(
    PROCESSES,
    protocol(),
    "`http/protobuf`",
    "`http/protobuf` or `http/json`; `grpc` is refused",
  ),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: variable(
    PROCESSES,
    protocol(),
    "from the line above",
    "The same for traces",
  ),
  OTEL_EXPORTER_OTLP_HEADERS: variable(
    PROCESSES_AND_TRACES,
    headers(),
    "none",
    "Headers of every export, `key=value,…`",
    true,
  ),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: variable(
    PROCESSES_AND_TRACES,
    optionalHeaders(),
    "from the line above",
    "The same for traces, instead of the line above",
    true,
  ),
  OTEL_EXPORTER_OTLP_TIMEOUT: variable(
    PROCESSES_AND_TRACES,
    integer(10_000, 0, 600_000),
    "`10000`",
    "Time one export may take, milliseconds; 0 for any",
  ),
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: variable(
    PROCESSES_AND_TRACES,
    optionalInteger(0, 600_000),
    "from the line above",
    "The same for traces",
  ),
  OTEL_EXPORTER_OTLP_COMPRESSION: variable(
    PROCESSES,
    compression(),
    "`none`",
    "`gzip` or `none`",
  ),
  OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: variable(
    PROCESSES,
    compression(),
    "from the line above",
    "The same for traces",
  ),
  OTEL_EXPORTER_OTLP_CERTIFICATE: variable(
    PROCESSES,
    text(""),
    "the platform's authorities",
    "PEM file of the authorities that the certificate of an `https://` collector may be signed by",
  ),
  OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: variable(
    PROCESSES,
    text(""),
    "from the line above",
    "The same for traces",
  ),
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: variable(
    PROCESSES,
    text(""),
    "none",
    "PEM file of the certificate that is shown to the collector",
  ),
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: variable(
    PROCESSES,
    text(""),
    "from the line above",
    "The same for traces",
  ),
  OTEL_EXPORTER_OTLP_CLIENT_KEY: variable(
    PROCESSES,
    text(""),
    "none",
    "PEM file of that certificate's private key",
  ),
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: variable(
    PROCESSES,
    text(""),
    "from the line above",
    "The same for traces",
  ),
  OTEL_BSP_SCHEDULE_DELAY: variable(
    PROCESSES,
    integer(1_000, 10, 600_000),
    "`1000`",
    "Longest wait of a finished span before export, milliseconds",
  ),
  OTEL_BSP_EXPORT_TIMEOUT: variable(
    PROCESSES,
    integer(300_000, 0, 3_600_000),
    "`300000`",
    "Time in which a batch must arrive, tries again included, milliseconds; then it is dropped; 0 for any",
  ),
  OTEL_BSP_MAX_QUEUE_SIZE: variable(
    PROCESSES,
    integer(8192, 1, MOST_SPANS),
    "`8192`",
    "Spans that may wait for export; more are dropped and counted",
  ),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: variable(
    PROCESSES,
    optionalInteger(1, 100_000),
    "`512`, or the queue's size if that is less",
    "Spans in one export",
  ),
} as const;
