/** OTLP's trace messages as data: field numbers, names in JSON and types. */

export type ScalarType =
  | "string"
  | "bytes"
  /** `bytes`, in JSON as hex. */
  | "id"
  | "bool"
  | "int64"
  | "double"
  | "uint32"
  | "fixed32"
  | "fixed64"
  | "kind"
  | "statusCode";

export interface Field {
  readonly number: number;
  readonly name: string;
  readonly type: ScalarType | (() => Message);
  readonly isRepeated?: boolean;
}

export interface Message {
  readonly name: string;
  readonly fields: readonly Field[];
  /** A value of zero says something: the fields are alternatives. */
  readonly isOneOf?: boolean;
}

function scalar(number: number, name: string, type: ScalarType): Field {
  return { number, name, type };
}

function list(number: number, name: string, type: () => Message): Field {
  return { number, name, type, isRepeated: true };
}

const ARRAY_VALUE: Message = {
  name: "ArrayValue",
  fields: [list(1, "values", () => ANY_VALUE)],
};

const KEY_VALUE_LIST: Message = {
  name: "KeyValueList",
  fields: [list(1, "values", () => KEY_VALUE)],
};

const ANY_VALUE: Message = {
  name: "AnyValue",
  isOneOf: true,
  fields: [
    scalar(1, "stringValue", "string"),
    scalar(2, "boolValue", "bool"),
    scalar(3, "intValue", "int64"),
    scalar(4, "doubleValue", "double"),
    { number: 5, name: "arrayValue", type: () => ARRAY_VALUE },
    { number: 6, name: "kvlistValue", type: () => KEY_VALUE_LIST },
    scalar(7, "bytesValue", "bytes"),
  ],
};

const KEY_VALUE: Message = {
  name: "KeyValue",
  fields: [scalar(1, "key", "string"), { number: 2, name: "value", type: () => ANY_VALUE }],
};

const STATUS: Message = {
  name: "Status",
  fields: [scalar(2, "message", "string"), scalar(3, "code", "statusCode")],
};

const EVENT: Message = {
  name: "Event",
  fields: [
    scalar(1, "timeUnixNano", "fixed64"),
    scalar(2, "name", "string"),
    list(3, "attributes", () => KEY_VALUE),
    scalar(4, "droppedAttributesCount", "uint32"),
  ],
};

const LINK: Message = {
  name: "Link",
  fields: [
    scalar(1, "traceId", "id"),
    scalar(2, "spanId", "id"),
    scalar(3, "traceState", "string"),
    list(4, "attributes", () => KEY_VALUE),
    scalar(5, "droppedAttributesCount", "uint32"),
    scalar(6, "flags", "fixed32"),
  ],
};

export const SPAN: Message = {
  name: "Span",
  fields: [
    scalar(1, "traceId", "id"),
    scalar(2, "spanId", "id"),
    scalar(3, "traceState", "string"),
    scalar(4, "parentSpanId", "id"),
    scalar(5, "name", "string"),
    scalar(6, "kind", "kind"),
    scalar(7, "startTimeUnixNano", "fixed64"),
    scalar(8, "endTimeUnixNano", "fixed64"),
    list(9, "attributes", () => KEY_VALUE),
    scalar(10, "droppedAttributesCount", "uint32"),
    list(11, "events", () => EVENT),
    scalar(12, "droppedEventsCount", "uint32"),
    list(13, "links", () => LINK),
    scalar(14, "droppedLinksCount", "uint32"),
    { number: 15, name: "status", type: () => STATUS },
    scalar(16, "flags", "fixed32"),
  ],
};

const SCOPE: Message = {
  name: "InstrumentationScope",
  fields: [
    scalar(1, "name", "string"),
    scalar(2, "version", "string"),
    list(3, "attributes", () => KEY_VALUE),
    scalar(4, "droppedAttributesCount", "uint32"),
  ],
};

const RESOURCE: Message = {
  name: "Resource",
  fields: [
    list(1, "attributes", () => KEY_VALUE),
    scalar(2, "droppedAttributesCount", "uint32"),
  ],
};

const SCOPE_SPANS: Message = {
  name: "ScopeSpans",
  fields: [
    { number: 1, name: "scope", type: () => SCOPE },
    list(2, "spans", () => SPAN),
    scalar(3, "schemaUrl", "string"),
  ],
};

const RESOURCE_SPANS: Message = {
  name: "ResourceSpans",
  fields: [
    { number: 1, name: "resource", type: () => RESOURCE },
    list(2, "scopeSpans", () => SCOPE_SPANS),
    scalar(3, "schemaUrl", "string"),
  ],
};

/** The request of `/v1/traces`, and the body of a trace by id. */
export const TRACES_DATA: Message = {
  name: "TracesData",
  fields: [list(1, "resourceSpans", () => RESOURCE_SPANS)],
};

export const KIND_NAMES = [
  "SPAN_KIND_UNSPECIFIED",
  "SPAN_KIND_INTERNAL",
  "SPAN_KIND_SERVER",
  "SPAN_KIND_CLIENT",
  "SPAN_KIND_PRODUCER",
  "SPAN_KIND_CONSUMER",
] as const;

export const STATUS_CODE_NAMES = [
  "STATUS_CODE_UNSET",
  "STATUS_CODE_OK",
  "STATUS_CODE_ERROR",
] as const;

/** Deepest nesting of values, in both encodings. */
export const MAX_VALUE_DEPTH = 32;
