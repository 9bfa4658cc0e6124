/** Times as they are shown: in whole microseconds, as fine as the clock. */

/** `ms` rounded to whole microseconds. */
export function toWholeUs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** The value to show under `key`: a number under a name that ends in `_ms` is a time. */
export function withWholeUs<T>(key: string, value: T): T {
  return typeof value === "number" && key.endsWith("_ms") ? toWholeUs(value) as T & number : value;
}

/** The same of each field. */
export function withWholeUsIn<T extends Readonly<Record<string, unknown>>>(fields: T): T {
  const shown = Object.entries(fields).map(([key, value]) => [key, withWholeUs(key, value)]);
  return Object.fromEntries(shown) as T;
}
