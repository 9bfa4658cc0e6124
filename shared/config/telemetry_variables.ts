/**
 * The variables of tracing and of the resource, as OpenTelemetry's specification names them. What
 * Baton cannot do as the specification says is refused by name, never ignored.
 */

import { EXPORT_VARIABLES } from "./export_variables.ts";
import { propagators, slowThreshold, strictFlag } from "./telemetry_schemas.ts";
import {
  choice,
  flag,
  integer,
  number,
  optionalInteger,
  resourcePairs,
  text,
} from "./value_schemas.ts";
import { type Service, variable } from "./variable.ts";

const PROCESSES: readonly Service[] = ["frontend", "prefill", "decode"];
/** `task start` reads them too, to give each service a name of its own. */
const PROCESSES_AND_START: readonly Service[] = [...PROCESSES, "start"];

const MOST = 1_000_000;

const SAMPLERS = [
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
  "always_on",
  "always_off",
  "traceidratio",
] as const;

export const TELEMETRY_VARIABLES = {
  DYN_TRACE_LEVEL: variable(
    PROCESSES,
    integer(1, 0, 3),
    "`1`",
    "0 propagate only, 1 stages, 2 sub-stages, 3 steps",
  ),
  DYN_TRACE_LEVEL_REMOTE: variable(
    PROCESSES,
    integer(0, 0, 3),
    "`0`, none",
    "Highest level that a request may ask for by `tracestate: baton=l:<level>`; " +
      "nothing is raised where `DYN_TRACE_LEVEL` is 0",
  ),
  OTEL_SDK_DISABLED: variable(
    PROCESSES,
    strictFlag(),
    "`false`",
    "`true` makes no spans, as `DYN_TRACE_LEVEL=0`; what clients send is still propagated",
  ),
  OTEL_EXPORT_ENABLED: variable(
    PROCESSES,
    flag(false),
    "off; `task start` switches it on",
    "Export spans over OTLP; without it ids are still made, propagated and logged",
  ),
  OTEL_TRACES_EXPORTER: variable(
    PROCESSES,
    choice(["otlp", "none"], "otlp"),
    "`otlp`",
    "`none` exports no spans whatever `OTEL_EXPORT_ENABLED` says; other exporters are refused",
  ),
  OTEL_SERVICE_NAME: variable(
    PROCESSES_AND_START,
    text(""),
    "`baton-frontend`, `baton-prefill`, `baton-decode`",
    "Resource attribute `service.name`; `task start` adds each service's role",
  ),
  OTEL_RESOURCE_ATTRIBUTES: variable(
    PROCESSES_AND_START,
    resourcePairs(),
    "none",
    "More resource attributes, `key=value,…`; they win over what Baton finds out by itself",
  ),
  POD_NAME: variable(PROCESSES, text(""), "none", "Resource attribute `k8s.pod.name`"),
  POD_UID: variable(PROCESSES, text(""), "none", "Resource attribute `k8s.pod.uid`"),
  POD_NAMESPACE: variable(PROCESSES, text(""), "none", "Resource attribute `k8s.namespace.name`"),
  NODE_NAME: variable(PROCESSES, text(""), "none", "Resource attribute `k8s.node.name`"),
  CONTAINER_NAME: variable(PROCESSES, text(""), "none", "Resource attribute `k8s.container.name`"),
  ...EXPORT_VARIABLES,
  OTEL_TRACES_SAMPLER: variable(
    PROCESSES,
    choice(SAMPLERS, "parentbased_always_on"),
    "`parentbased_always_on`",
    "Which traces are recorded: `always_on`, `always_off`, `traceidratio`, or `parentbased_` and one " +
      "of these, which asks it only where the client has not decided",
  ),
  OTEL_TRACES_SAMPLER_ARG: variable(
    PROCESSES,
    number(1, 0, 1),
    "`1`",
    "Share of traces that the `traceidratio` samplers take, from 0 to 1",
  ),
  DYN_TRACE_KEEP_SLOWER_THAN: variable(
    PROCESSES,
    slowThreshold(),
    "off",
    "Export failed requests, and those that took longer, whole although they were not sampled: a " +
      "time (`2s`, `500ms`), a multiple of the running 95th percentile (`p95*2`), or `never` for " +
      "failed ones only",
  ),
  DYN_TRACE_KEEP_MAX_MB: variable(
    PROCESSES,
    integer(64, 1, 65_536),
    "`64`",
    "Memory for spans of unsampled requests that nobody has decided on, MiB; then the oldest go",
  ),
  DYN_TRACE_KEEP_WAIT_MS: variable(
    PROCESSES,
    integer(600_000, 100, 86_400_000),
    "`600000`",
    "Time from a request's end in a process in which it may be kept, milliseconds; as long as a " +
      "request may take",
  ),
  OTEL_PROPAGATORS: variable(
    PROCESSES,
    propagators(),
    "`tracecontext,baggage`",
    "What is read from clients: `tracecontext`, `baggage`, `b3`, `b3multi`, or `none`; of two that " +
      "name a parent the later wins. Between Baton's services it is always W3C",
  ),
  OTEL_ATTRIBUTE_COUNT_LIMIT: variable(
    PROCESSES,
    integer(128, 1, MOST),
    "`128`",
    "Most attributes of a span, an event or a link",
  ),
  OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: variable(
    PROCESSES,
    optionalInteger(1, MOST),
    "none",
    "Characters to which longer attribute values are cut",
  ),
  OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: variable(
    PROCESSES,
    optionalInteger(1, MOST),
    "from `OTEL_ATTRIBUTE_COUNT_LIMIT`",
    "Most attributes of a span",
  ),
  OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: variable(
    PROCESSES,
    optionalInteger(1, MOST),
    "from `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`",
    "The same for spans",
  ),
  OTEL_SPAN_EVENT_COUNT_LIMIT: variable(
    PROCESSES,
    integer(128, 0, MOST),
    "`128`",
    "Most events of a span; the oldest go first",
  ),
  OTEL_SPAN_LINK_COUNT_LIMIT: variable(
    PROCESSES,
    integer(128, 0, MOST),
    "`128`",
    "Most links of a span; the oldest go first",
  ),
  OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: variable(
    PROCESSES,
    optionalInteger(1, MOST),
    "from `OTEL_ATTRIBUTE_COUNT_LIMIT`",
    "Most attributes of an event",
  ),
  OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: variable(
    PROCESSES,
    optionalInteger(1, MOST),
    "from `OTEL_ATTRIBUTE_COUNT_LIMIT`",
    "Most attributes of a link",
  ),
} as const;
