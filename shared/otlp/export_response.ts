/** Answers of an OTLP/HTTP trace receiver, in the encoding of the request. */

import { OtlpError } from "./errors.ts";
import { WireReader } from "./wire_reader.ts";
import { WireWriter } from "./wire_writer.ts";

export type OtlpEncoding = "json" | "protobuf";

export interface PartialSuccess {
  readonly rejectedSpans: number;
  readonly errorMessage: string;
}

export const CONTENT_TYPES: Readonly<Record<OtlpEncoding, string>> = {
  json: "application/json",
  protobuf: "application/x-protobuf",
};

/** An ExportTraceServiceResponse. */
export function encodeSuccess(
  encoding: OtlpEncoding,
  partial: PartialSuccess | null,
): string | Uint8Array<ArrayBuffer> {
  if (encoding === "json") {
    return JSON.stringify({
      partialSuccess: partial === null
        ? {}
        : { rejectedSpans: String(partial.rejectedSpans), errorMessage: partial.errorMessage },
    });
  }
  const writer = new WireWriter();
  if (partial !== null) {
    writer.message(1, () => {
      writer.int64(1, BigInt(partial.rejectedSpans));
      writer.string(2, partial.errorMessage);
    });
  }
  return writer.finish();
}

/** A google.rpc.Status, which OTLP wants as the body of a failure. */
export function encodeFailure(
  encoding: OtlpEncoding,
  failure: { readonly code: number; readonly message: string },
): string | Uint8Array<ArrayBuffer> {
  if (encoding === "json") return JSON.stringify(failure);
  const writer = new WireWriter();
  writer.uint32(1, failure.code);
  writer.string(2, failure.message);
  return writer.finish();
}

/** The message of a google.rpc.Status in protobuf; undefined for what is none. */
export function failureMessage(body: Uint8Array): string | undefined {
  try {
    const reader = new WireReader(body);
    let message: string | undefined;
    while (reader.next()) {
      if (reader.field === 2) message = reader.string();
      else reader.skip();
    }
    return message;
  } catch (error) {
    if (error instanceof OtlpError) return undefined;
    throw error;
  }
}
