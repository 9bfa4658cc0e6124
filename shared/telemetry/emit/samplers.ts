/** The samplers that `OTEL_TRACES_SAMPLER` names. */

import { ROOT_CONTEXT, SpanKind } from "@opentelemetry/api";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import type { SamplerChoice } from "../telemetry.ts";

const PARENT_BASED = "parentbased_";

export interface Samplers {
  /** Decides for every span. */
  readonly sampler: Sampler;
  /** Decides where a caller named a trace and left its sampling to us. */
  decides(traceId: string): boolean;
}

export function createSamplers({ name, ratio }: SamplerChoice): Samplers {
  const isParentBased = name.startsWith(PARENT_BASED);
  const root = rootSampler(isParentBased ? name.slice(PARENT_BASED.length) : name, ratio);
  return {
    sampler: isParentBased ? new ParentBasedSampler({ root }) : root,
    decides: (traceId) =>
      root.shouldSample(ROOT_CONTEXT, traceId, "", SpanKind.SERVER, {}, []).decision ===
        SamplingDecision.RECORD_AND_SAMPLED,
  };
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
