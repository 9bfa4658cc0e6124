/** Numbers and foreign text as people read them. */

/** `812 µs`, `9.41 ms`, `412.3 ms`, `4.12 s`, `2 m 03 s`. */
export function formatDuration(us: number): string {
  const rounded = Math.round(Math.abs(us));
  const sign = us < 0 && rounded > 0 ? "-" : "";
  return sign + formatMagnitude(rounded);
}

function formatMagnitude(us: number): string {
  if (us < 1_000) return `${us} µs`;
  if (us < 9_995) return `${(us / 1_000).toFixed(2)} ms`;
  if (us < 999_950) return `${(us / 1_000).toFixed(1)} ms`;
  if (us < 59_995_000) return `${(us / 1_000_000).toFixed(2)} s`;
  const seconds = Math.round(us / 1_000_000);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
}

/** `+38.0 ms`, `-1.20 ms`, `±0 µs`. */
export function formatChange(us: number): string {
  if (Math.round(us) === 0) return "±0 µs";
  return us > 0 ? `+${formatDuration(us)}` : formatDuration(us);
}

/** `12 %`, below one `0.3 %`; null where nothing can be compared. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) return "0 %";
  const percent = part / whole * 100;
  return `${percent < 1 && percent > 0 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** `2026-11-25 20:33:05.123 UTC`. */
export function formatTimeOfDay(us: number): string {
  return `${new Date(us / 1000).toISOString().replace("T", " ").slice(0, -1)} UTC`;
}

/** `1 span`, `20 spans`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Text from a log as one harmless line: no control characters, so no escape sequences either. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim();
}

/** Cut to `width` characters, or filled up to it. */
export function fit(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) return text + " ".repeat(width - characters.length);
  return width < 1 ? "" : characters.slice(0, width - 1).join("") + "…";
}
