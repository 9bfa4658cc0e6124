/** How the text of telemetry's own variables becomes a value. */

import { z } from "zod";
import { PROPAGATORS } from "../telemetry/propagate/extract.ts";
import type { SlowThreshold } from "../telemetry/telemetry.ts";
import { choice, httpUrl, optionalChoice } from "./value_schemas.ts";

/** One of the OTLP protocols that Baton speaks; undefined when unset. */
export function protocol() {
  return optionalChoice(["http/protobuf", "http/json"], {
    grpc:
      "Baton exports no OTLP over gRPC (port 4317); use http/protobuf, which collectors take on port 4318",
  });
}

/** One of the encodings of an export; undefined when unset. */
export function compression() {
  return optionalChoice(["none", "gzip"]);
}

/** The specification knows two words; everything else would be taken for `false` by other SDKs. */
export function strictFlag(): z.ZodType<boolean> {
  return choice(["true", "false"], "false").transform((word) => word === "true");
}

const TRACES_PATH = "/v1/traces";

/** A collector without the path of traces, which is appended. */
export function collectorUrl(fallback: string): z.ZodType<string> {
  return httpUrl(fallback).refine(
    (url) => URL.parse(url)?.pathname.replace(/\/+$/, "").endsWith(TRACES_PATH) !== true,
    `leave ${TRACES_PATH} out, which is appended, or set OTEL_EXPORTER_OTLP_TRACES_ENDPOINT instead`,
  );
}

/** Where a collector takes traces. */
export function tracesUrl(collector: string): string {
  const url = new URL(collector);
  url.pathname = url.pathname.replace(/\/+$/, "") + TRACES_PATH;
  return url.href;
}

export function propagators(): z.ZodType<readonly (typeof PROPAGATORS)[number][]> {
  return z.string().optional().transform((value, context) => {
    const words = [
      ...new Set((value ?? "").split(",").map((word) => word.trim().toLowerCase())),
    ].filter((word) => word !== "");
    if (words.length === 0) return ["tracecontext", "baggage"] as const;
    if (words.length === 1 && words[0] === "none") return [];
    const chosen = words.flatMap((word) => PROPAGATORS.filter((name) => name === word));
    if (chosen.length === words.length) return chosen;
    context.addIssue({
      code: "custom",
      message: `use ${PROPAGATORS.join(", ")} joined by commas, or none alone`,
    });
    return z.NEVER;
  });
}

const DURATION = /^(?<count>\d+(?:\.\d+)?)(?<unit>ms|s|m)$/;
const MS_OF: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };
const OF_P95 = /^p95\*(?<factor>\d+(?:\.\d+)?)$/;

/** From when a request is slow: `null` for never, undefined when unset. */
export function slowThreshold(): z.ZodType<SlowThreshold | null | undefined> {
  return z.string().optional().transform((value, context) => {
    const word = value?.replaceAll(" ", "").toLowerCase() ?? "";
    if (word === "") return undefined;
    if (word === "never") return null;
    const { count, unit } = DURATION.exec(word)?.groups ?? {};
    if (count !== undefined && unit !== undefined) {
      return { of: "time", ms: Number(count) * (MS_OF[unit] ?? NaN) } as const;
    }
    const factor = OF_P95.exec(word)?.groups?.factor;
    if (factor !== undefined && Number(factor) >= 1) {
      return { of: "p95", factor: Number(factor) } as const;
    }
    context.addIssue({
      code: "custom",
      message: 'use a time such as 2s or 500ms, a multiple from 1 such as p95*2, or "never"',
    });
    return z.NEVER;
  });
}
