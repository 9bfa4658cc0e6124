/** The samplers that `OTEL_TRACES_SAMPLER` names. */

import { type Context, createContextKey, ROOT_CONTEXT, SpanKind } from "@opentelemetry/api";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  type SamplingResult,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import type { SamplerChoice } from "../telemetry.ts";

const PARENT_BASED = "parentbased_";
const ASKED_FOR = createContextKey("a sampled request asked for these spans");
const OF_REQUEST = createContextKey("the spans are of a request");
const HELD = createContextKey("requests that may be kept asked for these spans");

/** The context of spans that are sampled whatever the sampler thinks of their own trace. */
export const ASKED_FOR_CONTEXT: Context = ROOT_CONTEXT.setValue(ASKED_FOR, true);

/** The context of spans that may be kept although they are not sampled. */
export const REQUEST_CONTEXT: Context = ROOT_CONTEXT.setValue(OF_REQUEST, true);

/** The context of spans that are recorded, and exported only where who asked for them is kept. */
export const HELD_CONTEXT: Context = ROOT_CONTEXT.setValue(HELD, true);

export interface Samplers {
  /** Decides for every span. */
  readonly sampler: Sampler;
  /** Decides where a caller named a trace and left its sampling to us. */
  decides(traceId: string): boolean;
}

/** With `recordsRequests` the spans of requests are recorded whether they are sampled or not. */
export function createSamplers(
  { name, ratio }: SamplerChoice,
  recordsRequests: boolean,
): Samplers {
  const isParentBased = name.startsWith(PARENT_BASED);
  const root = rootSampler(isParentBased ? name.slice(PARENT_BASED.length) : name, ratio);
  const sampler = new AskedForSampler(isParentBased ? new ParentBasedSampler({ root }) : root);
  return {
    sampler: recordsRequests ? new RecordingSampler(sampler) : sampler,
    decides: (traceId) =>
      root.shouldSample(ROOT_CONTEXT, traceId, "", SpanKind.SERVER, {}, []).decision ===
        SamplingDecision.RECORD_AND_SAMPLED,
  };
}

/** Samples as the sampler below, and all that a sampled request asked for. */
class AskedForSampler implements Sampler {
  readonly #below: Sampler;

  constructor(below: Sampler) {
    this.#below = below;
  }

  shouldSample(...args: Parameters<Sampler["shouldSample"]>): SamplingResult {
    const [context] = args;
    return context.getValue(ASKED_FOR) === true
      ? { decision: SamplingDecision.RECORD_AND_SAMPLED }
      : this.#below.shouldSample(...args);
  }

  toString(): string {
    return `AskedFor{${this.#below}}`;
  }
}

/** Samples as the sampler below, and records all spans of requests. */
class RecordingSampler implements Sampler {
  readonly #below: Sampler;

  constructor(below: Sampler) {
    this.#below = below;
  }

  shouldSample(...args: Parameters<Sampler["shouldSample"]>): SamplingResult {
    const [context] = args;
    if (context.getValue(HELD) === true) return { decision: SamplingDecision.RECORD };
    const result = this.#below.shouldSample(...args);
    return result.decision === SamplingDecision.NOT_RECORD && context.getValue(OF_REQUEST) === true
      ? { ...result, decision: SamplingDecision.RECORD }
      : result;
  }

  toString(): string {
    return `Recording{${this.#below}}`;
  }
}

function rootSampler(name: string, ratio: number): Sampler {
  switch (name) {
    case "always_off":
      return new AlwaysOffSampler();
    case "traceidratio":
      return new TraceIdRatioBasedSampler(ratio);
    default:
      return new AlwaysOnSampler();
  }
}
