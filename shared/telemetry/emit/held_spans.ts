/** Spans of unsampled requests, held until the requests are kept or let go. */

import type { KeepOptions } from "../telemetry.ts";
import type { ExportStats } from "./export_stats.ts";
import { UnsampledSpans } from "./unsampled_spans.ts";

export interface HeldSpans {
  readonly ofRequests: UnsampledSpans;
  /** Spans that requests asked for: each is in it for all of them. */
  readonly asked: UnsampledSpans;
}

/** Of the memory: steps are many, and push out no request. */
const ASKED_SHARE = 0.25;
const EXPIRY_MS = 1000;

export function createHeldSpans(keep: KeepOptions, stats: ExportStats): HeldSpans {
  return {
    ofRequests: new UnsampledSpans({ ...keep, share: 1 }, stats),
    asked: new UnsampledSpans({ ...keep, share: ASKED_SHARE }, stats),
  };
}

/** Lets go what has waited its time, until it is stopped. It keeps no process alive. */
export function expireRegularly({ ofRequests, asked }: HeldSpans): () => void {
  const timer = setInterval(() => {
    ofRequests.expire(performance.now());
    asked.expire(performance.now());
  }, EXPIRY_MS);
  Deno.unrefTimer(timer);
  return () => clearInterval(timer);
}
