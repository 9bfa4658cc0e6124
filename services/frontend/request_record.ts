/**
 * The record of one API request: its root span, its metrics and its log lines.
 *
 * `finish` takes effect once, however the request ends, so every request has exactly one end record.
 * A client that leaves is `cancelled`, not an error; a request that no worker generated anything for
 * and that was refused is `rejected`. No prompt and no answer text is recorded.
 */

import { epochMs } from "../../shared/clock/epoch_clock.ts";
import { toWholeUs } from "../../shared/clock/whole_us.ts";
import {
  answerId,
  type ApiError,
  type ChatRequest,
  type CompletionFinishReason,
  type CompletionRequest,
  type Timings,
  TIMINGS_HEADER,
  TIMINGS_WANTED,
  type TokenCounts,
  type TokenTiming,
} from "../../shared/openai/mod.ts";
import { exemplarOf, type FrontendMetrics } from "../../shared/telemetry/metrics/mod.ts";
import type { ActiveSpan, RequestIds, Telemetry } from "../../shared/telemetry/telemetry.ts";
import type { RunningRequest } from "./api_document.ts";
import type { AttemptFailure, AttemptPlan, FrameArrival } from "./attempt.ts";
import type { AttemptHistory } from "./dispatcher.ts";
import type { Endpoint } from "./endpoint.ts";
import { logEnd, type RequestEnd, type RequestOutcome } from "./end_record.ts";
import { genAiLatencies } from "./gen_ai_latencies.ts";
import type { PreparedPrompt } from "./preprocess.ts";
import { requestIds } from "./request_ids.ts";
import { RequestMetering } from "./request_metering.ts";
import { bodyAttributes, openRequestSpan } from "./request_span.ts";
import { StageTimes } from "./stage_times.ts";
import { TokenTimes } from "./token_times.ts";
import { TokenTimings } from "./token_timings.ts";
import { traceContextOf } from "./trace_context.ts";

export interface RequestRecordDeps {
  readonly telemetry: Telemetry;
  readonly metrics: FrontendMetrics;
}

export class RequestRecord {
  readonly ids: RequestIds;
  readonly span: ActiveSpan<"http_request">;
  readonly receivedAtMs = epochMs();
  readonly stages = new StageTimes();
  readonly #endpoint: Endpoint;
  readonly #metering: RequestMetering;
  readonly #times = new TokenTimes();
  /** For a client that asked for them. */
  readonly #timings: TokenTimings | null;
  #inputTokens = 0;
  #cachedTokens = 0;
  #ttftMs: number | null = null;
  #attempts = 0;
  #promptSource: FrameArrival["source"] = "decode";
  #preparedAtMs = 0;
  #isFinished = false;

  constructor(deps: RequestRecordDeps, request: Request, endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#metering = new RequestMetering(deps.metrics, endpoint);
    this.ids = requestIds(request.headers.get("x-request-id"));
    const wantsTimings = request.headers.get(TIMINGS_HEADER) === TIMINGS_WANTED;
    this.#timings = wantsTimings ? new TokenTimings() : null;
    const { ids, receivedAtMs: startMs } = this;
    this.span = openRequestSpan(deps.telemetry, request, { endpoint, ids, startMs });
    deps.metrics.contextReceived(traceContextOf(request.headers, this.span.traceId));
  }

  /** Headers of every answer, error answers too. */
  get headers(): Readonly<Record<string, string>> {
    const { traceparent } = this.span.headers();
    return {
      "x-request-id": this.ids.xRequestId,
      "server-timing": this.stages.serverTiming(),
      ...(traceparent === undefined ? {} : { traceparent }),
    };
  }

  get counts(): TokenCounts {
    return {
      promptTokens: this.#inputTokens,
      cachedTokens: Math.min(this.#cachedTokens, this.#inputTokens),
      completionTokens: this.#times.count,
    };
  }

  /** How far it is: reads what is known, and changes nothing. */
  running(nowMs: number): Omit<RunningRequest, "waits_for_client"> {
    return {
      trace_id: this.span.traceId,
      request_id: this.ids.requestId,
      x_request_id: this.ids.xRequestId,
      sampled: this.span.isSampled,
      route: this.#endpoint.route,
      ...this.#metering.place(this.#times.count),
      received_at: new Date(this.receivedAtMs).toISOString(),
      age_ms: toWholeUs(nowMs - this.receivedAtMs),
      input_tokens: this.#inputTokens,
      ...this.#times.progress(nowMs),
      ttft_ms: this.#ttftMs === null ? null : toWholeUs(this.#ttftMs),
      attempts: this.#attempts,
    };
  }

  /** The body was read and understood. */
  parsed(request: ChatRequest | CompletionRequest, bodyBytes: number): void {
    this.#metering.parsed(request.isStream ? "stream" : "unary");
    this.span.set(bodyAttributes(request, bodyBytes));
  }

  /** A worker serves the model, or has: its name may be a label from here on. */
  accepted(model: string): void {
    this.#metering.accepted(model);
    this.span.log.info("request received", this.#metering.logFields);
  }

  prepared({ promptTokens, sampling, ...times }: PreparedPrompt): void {
    this.#inputTokens = promptTokens.length;
    this.#preparedAtMs = epochMs();
    this.stages.set("preprocess", this.#preparedAtMs - this.receivedAtMs);
    this.#metering.meter?.preprocessed(times, exemplarOf(this.span));
    this.span.set({
      "gen_ai.request.seed": sampling.seed,
      "gen_ai.usage.input_tokens": promptTokens.length,
    });
  }

  /** An attempt begins. */
  attempted(plan: AttemptPlan): void {
    const { prefill, decode } = plan;
    const now = epochMs();
    if (this.#attempts === 0) this.stages.set("route", now - this.#preparedAtMs);
    this.#attempts++;
    this.stages.attempted(now);
    this.#metering.attempted(plan);
    this.#promptSource = prefill === undefined ? "decode" : "prefill";
    this.#timings?.attempted(plan);
    this.span.set({
      attempts: this.#attempts,
      decode_worker_id: decode.instance.instanceId,
      ...(prefill === undefined ? {} : { prefill_worker_id: prefill.instance.instanceId }),
    });
  }

  /** A frame of the attempt arrived. */
  frame(arrival: FrameArrival): void {
    const { source, frame } = arrival;
    const hasPrompt = source === this.#promptSource;
    this.stages.frame(arrival, hasPrompt);
    this.#metering.frame(arrival, hasPrompt);
    if (hasPrompt && frame.kind === "scheduled") this.#cachedTokens = frame.cachedTokens;
    this.#timings?.frame(arrival);
  }

  /** An attempt failed and another one takes over. */
  migrated(failure: AttemptFailure, { attempt, generated }: AttemptHistory): void {
    const facts = {
      attempt,
      "migration.tokens_completed": generated.length,
      "error.type": failure.failure,
    };
    this.span.event("migrated", facts);
    this.#metering.meter?.migrated(generated.length > 0);
    this.span.log.warn("request migrated", {
      ...this.#metering.logFields,
      ...facts,
      worker_id: failure.failedInstanceId,
      error_detail: failure.message,
    });
  }

  /** Tokens arrived from a worker, at least one. */
  tokens(count: number, arrivedAtMs: number): void {
    const gaps = this.#times.add(count, arrivedAtMs);
    this.#metering.meter?.nextTokens(gaps.count, gaps.gapMs);
  }

  /** Of the next tokens that the client gets; undefined for one that did not ask for them. */
  nextTokenTimings(count: number): readonly TokenTiming[] | undefined {
    return this.#timings?.next(count, this.receivedAtMs);
  }

  /** The first token was handed to the connection. */
  firstWrite(atMs: number): void {
    this.#ttftMs = atMs - this.receivedAtMs;
    this.stages.set("ttft", this.#ttftMs);
    this.span.event("first_token", {}, atMs);
    this.span.set({ ttft_ms: this.#ttftMs });
    this.#metering.meter?.firstToken(this.#ttftMs, exemplarOf(this.span));
  }

  /** The generation ended by itself or at a stop string. */
  generated(finishReason: CompletionFinishReason): void {
    this.stages.tokensEnded();
    this.span.set({
      "gen_ai.response.id": answerId(this.#endpoint.kind, this.ids.requestId),
      "gen_ai.response.finish_reasons": [finishReason],
      "gen_ai.usage.cache_read.input_tokens": this.counts.cachedTokens,
    });
  }

  /** Undefined for a client that did not ask for them. `finishReason` is null after an error. */
  timings(finishReason: CompletionFinishReason | null): Timings | undefined {
    this.stages.tokensEnded();
    return this.#timings?.timings({
      traceId: this.span.traceId,
      receivedAtMs: this.receivedAtMs,
      stages: this.stages,
      completionTokens: this.#times.count,
      finishReason,
      nowMs: epochMs(),
    });
  }

  /**
   * Ends the record: well without an error, or as the error says. Only the first call counts.
   * `status` is the HTTP status sent, absent when the client left before it.
   */
  finish(status: number | null, error?: ApiError): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.stages.tokensEnded();
    const outcome = this.#outcome(error);
    // What follows is about the request, and no part of it.
    const endMs = epochMs();
    const durationMs = endMs - this.receivedAtMs;
    const averageItlMs = this.#times.averageGapMs();
    this.span.set({
      "request.outcome": outcome,
      ...(status === null ? {} : { "http.response.status_code": status }),
      ...(this.#times.count === 0 ? {} : { "gen_ai.usage.output_tokens": this.#times.count }),
      ...(averageItlMs === null ? {} : { avg_itl_ms: averageItlMs }),
      ...genAiLatencies(this.stages, durationMs),
    });
    if (outcome === "cancelled") {
      this.span.event("client_disconnected");
    } else if (error !== undefined && error.kind.status >= 500) {
      this.span.fail(error.code, error.message);
    } else if (error !== undefined) {
      this.span.set({ "error.type": error.code });
    }
    logEnd(this.span.log, { outcome, error }, {
      ...this.#metering.logFields,
      status: outcome,
      http_status: status,
      elapsed_ms: durationMs,
      input_tokens: this.#inputTokens,
      output_tokens: this.#times.count,
      ttft_ms: this.#ttftMs,
      avg_itl_ms: averageItlMs,
    });
    this.span.end(endMs);
    this.#endMetering({ outcome, durationMs, averageItlMs, error });
  }

  /** A refusal after text was sent is a broken promise: an error. */
  #outcome(error: ApiError | undefined): RequestOutcome {
    if (error === undefined) return "success";
    const { outcome } = error.kind;
    return outcome === "rejected" && this.#times.count > 0 ? "error" : outcome;
  }

  #endMetering({ outcome, durationMs, averageItlMs, error }: EndFacts): void {
    const traceId = exemplarOf(this.span);
    const { promptTokens, cachedTokens, completionTokens } = this.counts;
    const inputTokens = promptTokens === 0 ? {} : { inputTokens: promptTokens };
    this.#metering.end({
      errorType: error?.kind.label ?? "",
      isRejected: outcome === "rejected" && error?.kind.status === 503,
      hasLeft: outcome === "cancelled",
      durationMs,
      stagesMs: this.stages.metered(),
      ...(traceId === undefined ? {} : { traceId }),
      ...inputTokens,
      ...(completionTokens === 0 ? {} : { outputTokens: completionTokens, cachedTokens }),
      last: {
        ...inputTokens,
        ...(this.#ttftMs === null ? {} : { ttftMs: this.#ttftMs }),
        ...(averageItlMs === null ? {} : { itlMs: averageItlMs }),
      },
    });
  }
}

interface EndFacts extends RequestEnd {
  readonly durationMs: number;
  readonly averageItlMs: number | null;
}
