/**
 * The tracer of level 0: it makes no spans. What arrived goes on unchanged, so that a client's trace
 * continues below this process; a request without a trace gets ids for its logs, unsampled.
 */

import {
  type Context,
  type Span,
  type SpanOptions,
  trace,
  TraceFlags,
  type Tracer,
} from "@opentelemetry/api";
import { RandomIdGenerator } from "@opentelemetry/sdk-trace";

/** A tracer whose spans carry their parent's context and record nothing. */
export function createPassThroughTracer(): Pick<Tracer, "startSpan"> {
  const ids = new RandomIdGenerator();
  return {
    startSpan(_name: string, _options: SpanOptions | undefined, context: Context): Span {
      return trace.wrapSpanContext(
        trace.getSpanContext(context) ?? {
          traceId: ids.generateTraceId(),
          spanId: ids.generateSpanId(),
          traceFlags: TraceFlags.NONE,
        },
      );
    },
  };
}
