/** What spans share, in a process and in a request. */

import type { Context, Tracer } from "@opentelemetry/api";
import type { LineLogger } from "../log/mod.ts";
import type { RequestIds } from "../telemetry.ts";
import type { AttributeGuard } from "./attribute_guard.ts";
import type { KeepPolicy } from "./keep_policy.ts";
import type { OpenSpans } from "./open_spans.ts";
import type { RequestSpans, SpanGroup } from "./request_spans.ts";
import type { SpanLineFormats } from "./span_line_format.ts";

/** What becomes of requests that were not sampled. */
export interface Keeping {
  readonly policy: KeepPolicy;
  /** A request ended here that every process should keep. */
  readonly onKept: (requestId: string) => void;
}

/** What all spans of one `Telemetry` share. */
export interface SpanRuntime {
  readonly tracer: Pick<Tracer, "startSpan">;
  readonly requests: RequestSpans;
  /** Null where unsampled requests are never kept. */
  readonly keeping: Keeping | null;
  readonly guard: AttributeGuard;
  readonly log: LineLogger;
  /** Writes SPAN_FIRST_ENTRY and SPAN_CLOSED; null when they are off. */
  readonly spanEventLog: LineLogger | null;
  readonly lineFormats: SpanLineFormats;
  readonly openSpans: OpenSpans;
}

/** What all spans of one request in this process share. */
export interface RequestScope {
  readonly group: SpanGroup;
  readonly ids: RequestIds | null;
  /** Header value to forward, or an empty string. */
  readonly baggage: string;
  readonly isRandom: boolean;
  /** Detail level of its spans. */
  readonly level: number;
  /** The SDK's, for spans without a parent (`samplers.ts`). */
  readonly context: Context;
}
