/** OTLP traces: both encodings, without generated code. */
export * from "./errors.ts";
export * from "./export_response.ts";
export * from "./json_to_protobuf.ts";
export * from "./protobuf_to_json.ts";
export * from "./span_data.ts";
export { isZeroId } from "./span_fields.ts";
export * from "./span_reader.ts";
export * from "./value.ts";
export * from "./wire_writer.ts";
