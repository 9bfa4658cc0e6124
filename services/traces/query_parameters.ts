/** Parameters of Tempo's query API. What is wrong throws a ParameterError with its name. */

import type { MetricsRange } from "../../shared/traceql/mod.ts";
import { parseDuration } from "../../shared/traceql/mod.ts";
import type { TimeRange } from "../../shared/trace_store/mod.ts";

export class ParameterError extends Error {
  override name = "ParameterError";
}

const SECOND_NS = 1_000_000_000n;
/** Before and after all spans. */
const ALL_TIME: TimeRange = { startNs: -(2n ** 62n), endNs: 2n ** 63n - 1n };
/** A metrics query without a start looks back so far. */
const DEFAULT_SINCE_NS = 3_600n * SECOND_NS;
/** Steps of a metrics query that names none, and the most of any. */
const DEFAULT_STEPS = 120n;
const MAX_STEPS = 11_000n;

/** `limit`, `spss` and the like. */
export function wholeNumber(
  parameters: URLSearchParams,
  name: string,
  { fallback, max }: { readonly fallback: number; readonly max: number },
): number {
  const value = parameters.get(name);
  if (value === null || value === "") return fallback;
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return Math.min(number, max);
  throw new ParameterError(`invalid ${name}: must be a positive number`);
}

/** `minDuration`, `maxDuration`: nanoseconds. */
export function duration(parameters: URLSearchParams, name: string, fallback: number): number {
  const value = parameters.get(name);
  if (value === null || value === "") return fallback;
  const ns = parseDuration(value);
  if (ns === undefined) {
    throw new ParameterError(`invalid ${name}: time: invalid duration "${value}"`);
  }
  return ns;
}

/** `start` and `end` in Unix seconds; everything without them. */
export function timeRange(parameters: URLSearchParams): TimeRange | undefined {
  const start = parameters.get("start");
  const end = parameters.get("end");
  if (!start && !end) return undefined;
  const range = {
    startNs: start ? timeNs(start, "start") : ALL_TIME.startNs,
    // A span in the last second belongs to it.
    endNs: end ? timeNs(end, "end") + SECOND_NS - 1n : ALL_TIME.endNs,
  };
  if (range.startNs <= range.endNs) return range;
  throw new ParameterError(
    `http parameter start must be before end. received start=${start} end=${end}`,
  );
}

export function searchRange(parameters: URLSearchParams): TimeRange {
  return timeRange(parameters) ?? ALL_TIME;
}

/** `start`, `end`, `since` and `step` of a metrics query; an instant one has no step. */
export function metricsRange(
  parameters: URLSearchParams,
  { isInstant, nowMs }: { readonly isInstant: boolean; readonly nowMs: number },
): MetricsRange {
  const end = parameters.get("end");
  const start = parameters.get("start");
  const since = parameters.get("since");
  const endNs = end ? timeNs(end, "end") : BigInt(Math.floor(nowMs)) * 1_000_000n;
  const sinceNs = since ? durationNs(since, "since") : DEFAULT_SINCE_NS;
  const startNs = start ? timeNs(start, "start") : endNs - sinceNs;
  if (startNs >= endNs) throw new ParameterError("end must be greater than start");
  if (isInstant) return { startNs, endNs, stepNs: null };
  const step = parameters.get("step");
  const stepNs = step ? stepOf(step) : defaultStep(endNs - startNs);
  if ((endNs - startNs) / stepNs > MAX_STEPS) {
    throw new ParameterError(
      `exceeded maximum resolution of ${MAX_STEPS} points per timeseries; use a larger step`,
    );
  }
  return { startNs, endNs, stepNs };
}

/** A whole number of seconds. */
function defaultStep(lengthNs: bigint): bigint {
  const seconds = lengthNs / DEFAULT_STEPS / SECOND_NS;
  return (seconds > 0n ? seconds : 1n) * SECOND_NS;
}

function stepOf(text: string): bigint {
  const stepNs = /^\d+(\.\d+)?$/.test(text)
    ? BigInt(Math.round(Number(text) * 1e9))
    : durationNs(text, "step");
  if (stepNs <= 0n) throw new ParameterError("step must be greater than 0");
  return stepNs;
}

function durationNs(text: string, name: string): bigint {
  const ns = parseDuration(text);
  if (ns === undefined) throw new ParameterError(`invalid ${name}: invalid duration "${text}"`);
  return BigInt(ns);
}

/** Seconds, with or without a fraction, nanoseconds, or RFC 3339. */
function timeNs(text: string, name: string): bigint {
  if (/^\d{14,19}$/.test(text)) return BigInt(text);
  if (/^\d{1,13}$/.test(text)) return BigInt(text) * SECOND_NS;
  if (/^\d+\.\d+$/.test(text)) return BigInt(Math.round(Number(text) * 1e6)) * 1_000n;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) {
    throw new ParameterError(`invalid ${name}: use Unix seconds or RFC 3339, not "${text}"`);
  }
  return BigInt(ms) * 1_000_000n;
}
