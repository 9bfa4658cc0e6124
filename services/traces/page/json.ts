/** Reading JSON of other processes without trusting its shape. */

export type Json = Readonly<Record<string, unknown>>;

export function asRecord(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Json : {};
}

export function asRecords(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(asRecord) : [];
}

export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** NaN for what is no number; Tempo's 64-bit numbers are strings. */
export function asNumber(value: unknown): number {
  return typeof value === "number" || typeof value === "string" && value !== ""
    ? Number(value)
    : NaN;
}
