/** Durations in words, such as `1.5s` or `1h30m`. */

const UNITS_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "µs": 1e3,
  "μs": 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
  d: 86_400e9,
  w: 7 * 86_400e9,
  y: 365 * 86_400e9,
};
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)/y;

/** Nanoseconds, or undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  let totalNs = 0;
  let position = 0;
  while (position < text.length) {
    PART.lastIndex = position;
    const match = PART.exec(text);
    if (match === null) return undefined;
    totalNs += Number(match[1]) * (UNITS_NS[match[2]] ?? 0);
    position = PART.lastIndex;
  }
  return position === 0 ? undefined : Math.round(totalNs);
}

/** As Go prints it: `820ms`, `310.000128ms`, `1.2s`, `1h0m3s`. */
export function formatDuration(durationNs: number): string {
  const sign = durationNs < 0 ? "-" : "";
  const ns = Math.abs(durationNs);
  if (ns === 0) return "0s";
  if (ns < 1e3) return `${sign}${ns}ns`;
  if (ns < 1e6) return `${sign}${decimal(ns, 1e3)}µs`;
  if (ns < 1e9) return `${sign}${decimal(ns, 1e6)}ms`;
  const seconds = decimal(ns % 60e9, 1e9);
  const minutes = Math.floor(ns / 60e9);
  if (minutes === 0) return `${sign}${seconds}s`;
  const hours = Math.floor(minutes / 60);
  return hours === 0
    ? `${sign}${minutes}m${seconds}s`
    : `${sign}${hours}h${minutes % 60}m${seconds}s`;
}

/** `ns / unitNs` in decimal without rounding. */
function decimal(ns: number, unitNs: number): string {
  const whole = Math.floor(ns / unitNs);
  const digits = String(Math.round(ns % unitNs)).padStart(Math.log10(unitNs), "0");
  const fraction = digits.replace(/0+$/, "");
  return fraction === "" ? String(whole) : `${whole}.${fraction}`;
}
