/** A payload that is not valid OTLP. The message says where and what is wrong. */
export class OtlpError extends Error {
  override name = "OtlpError";
}
