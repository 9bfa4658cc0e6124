/**
 * The context that a client's headers carry, in the formats of `OTEL_PROPAGATORS`.
 *
 * Propagators are asked in their order; one that finds a parent replaces what those before it found.
 * Baton's own services always speak W3C to each other, whatever clients speak.
 */

import { formatBaggage, parseBaggage } from "./baggage.ts";
import { parseB3 } from "./b3.ts";
import { parseTraceparent } from "./traceparent.ts";
import { parseTracestate } from "./tracestate.ts";

export const PROPAGATORS = ["tracecontext", "baggage", "b3", "b3multi"] as const;
export type Propagator = (typeof PROPAGATORS)[number];

/** What Baton's services read of each other. */
export const OWN_PROPAGATORS: readonly Propagator[] = ["tracecontext", "baggage"];

export interface RemoteParent {
  readonly traceId: string;
  readonly spanId: string;
  /** Null: the caller leaves it to us. */
  readonly isSampled: boolean | null;
  /** The random-trace-id bit of W3C Level 2. */
  readonly isRandom: boolean;
  /** Valid and in normal form, or empty. */
  readonly tracestate: string;
}

export interface RemoteContext {
  readonly parent: RemoteParent | null;
  /** Header value to forward, or empty. */
  readonly baggage: string;
}

/** Reads lower-case headers. What is not valid counts as absent. */
export function extractContext(
  headers: Readonly<Record<string, string>>,
  propagators: readonly Propagator[],
): RemoteContext {
  let parent: RemoteParent | null = null;
  let baggage = "";
  for (const propagator of propagators) {
    switch (propagator) {
      case "tracecontext":
        parent = w3cParent(headers) ?? parent;
        break;
      case "baggage":
        if (headers.baggage !== undefined) baggage = formatBaggage(parseBaggage(headers.baggage));
        break;
      case "b3":
      case "b3multi":
        parent = parseB3(headers) ?? parent;
        break;
    }
  }
  return { parent, baggage };
}

function w3cParent(headers: Readonly<Record<string, string>>): RemoteParent | null {
  const parent = parseTraceparent(headers.traceparent);
  return parent && { ...parent, tracestate: parseTracestate(headers.tracestate) ?? "" };
}
