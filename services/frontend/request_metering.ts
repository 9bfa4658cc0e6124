/** The metrics of one API request: what it is counted as, and where it is now. */

import {
  type CurrentStage,
  type FrontendMetrics,
  type LastRequest,
  type RequestEnd,
  type RequestLabels,
  type RequestMeter,
  type StagePhase,
  UNKNOWN_MODEL,
} from "../../shared/telemetry/metrics/mod.ts";
import type { RunningRequest } from "./api_document.ts";
import type { AttemptPlan, FrameArrival } from "./attempt.ts";
import type { Endpoint } from "./endpoint.ts";

type RequestPlace = Pick<
  RunningRequest,
  "model" | "stream" | "stage" | "prefill_worker_id" | "decode_worker_id"
>;

export interface MeteringEnd extends RequestEnd {
  readonly hasLeft: boolean;
  readonly last: LastRequest;
}

export class RequestMetering {
  readonly #metrics: FrontendMetrics;
  readonly #endpoint: Endpoint;
  readonly #place: ReturnType<FrontendMetrics["stagePlace"]>;
  #stage: CurrentStage = "preprocess";
  #model: string | null = null;
  #requestType: RequestLabels["requestType"] | null = null;
  #meter: RequestMeter | null = null;
  #plan: AttemptPlan | null = null;

  constructor(metrics: FrontendMetrics, endpoint: Endpoint) {
    this.#metrics = metrics;
    this.#endpoint = endpoint;
    this.#place = metrics.stagePlace();
    this.#enter("preprocess", "");
  }

  /** What the request is called in the log, as in its metrics. */
  get logFields(): Record<string, string> {
    const { model, endpoint, requestType } = this.#labels;
    return { model, endpoint, request_type: requestType };
  }

  /** Where the request is now, with so many tokens of its answer. */
  place(completionTokens: number): RequestPlace {
    const { prefill, decode } = this.#plan ?? {};
    // The prefill worker sends one token; the others come when the decode worker has its KV.
    const attemptTokens = completionTokens - (decode?.completedTokens ?? 0);
    const awaitsKv = this.#stage === "decode" && this.#isDisaggregated && attemptTokens <= 1;
    return {
      model: this.#model,
      stream: this.#requestType === null ? null : this.#requestType === "stream",
      stage: awaitsKv ? "kv_transfer" : this.#stage,
      prefill_worker_id: prefill?.instance.instanceId ?? null,
      decode_worker_id: decode?.instance.instanceId ?? null,
    };
  }

  /** Null before the request is counted. */
  get meter(): RequestMeter | null {
    return this.#meter;
  }

  parsed(requestType: RequestLabels["requestType"]): void {
    this.#requestType = requestType;
  }

  /** A worker serves the model, or has: its name may be a label from here on. */
  accepted(model: string): void {
    this.#model = model;
    this.#start();
  }

  attempted(plan: AttemptPlan): void {
    this.#plan = plan;
    this.#enter("dispatch", this.#promptPhase);
  }

  /** Takes a frame; `hasPrompt` where it is of the worker that computes the prompt. */
  frame({ frame }: FrameArrival, hasPrompt: boolean): void {
    if (!hasPrompt) return;
    if (frame.kind === "accepted") this.#enter("queue", this.#promptPhase);
    if (frame.kind === "scheduled") this.#enter("prefill", this.#promptPhase);
    if (frame.kind === "tokens" && frame.index === 0) {
      this.#enter("decode", this.#isDisaggregated ? "decode" : "aggregated");
    }
  }

  end({ hasLeft, last, ...end }: MeteringEnd): void {
    this.#place.leave();
    if (hasLeft) this.#metrics.clientDisconnected();
    this.#start().end(end);
    this.#noteServed(last);
  }

  #enter(stage: CurrentStage, phase: StagePhase): void {
    this.#stage = stage;
    this.#place.enter(stage, phase);
  }

  #start(): RequestMeter {
    return this.#meter ??= this.#metrics.requestStarted(this.#labels);
  }

  #noteServed({ itlMs, ...prompt }: LastRequest): void {
    if (this.#plan === null) return;
    const { prefill, decode } = this.#plan;
    this.#metrics.workerServed((prefill ?? decode).instance.instanceId, prompt);
    if (itlMs !== undefined) this.#metrics.workerServed(decode.instance.instanceId, { itlMs });
  }

  get #labels(): RequestLabels {
    return {
      model: this.#model ?? UNKNOWN_MODEL,
      endpoint: this.#endpoint.metric,
      requestType: this.#requestType ?? "unary",
    };
  }

  get #isDisaggregated(): boolean {
    return this.#plan?.prefill !== undefined;
  }

  get #promptPhase(): StagePhase {
    return this.#isDisaggregated ? "prefill" : "aggregated";
  }
}
