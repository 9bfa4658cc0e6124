/**
 * The record of one API request: its root span, its metrics and its log lines.
 *
 * `finish` takes effect once, however the request ends, so every request has exactly one end record.
 * A client that leaves is `cancelled`, not an error; a request that no worker generated anything for
 * and that was refused is `rejected`. No prompt and no answer text is recorded.
 */

import { epochMs } from "../../shared/clock/epoch_clock.ts";
import {
  answerId,
  type ApiError,
  type ChatRequest,
  type CompletionFinishReason,
  type CompletionRequest,
  type TokenCounts,
} from "../../shared/openai/mod.ts";
import type {
  FrontendMetrics,
  RequestMeter,
  RequestType,
} from "../../shared/telemetry/metrics/mod.ts";
import type { ActiveSpan, RequestIds, Telemetry } from "../../shared/telemetry/telemetry.ts";
import type { AttemptFailure, GenerationEnd } from "./attempt.ts";
import type { AttemptHistory } from "./dispatcher.ts";
import type { Endpoint } from "./endpoint.ts";
import type { PreparedPrompt } from "./preprocess.ts";
import { requestIds } from "./request_ids.ts";
import { StageTimes } from "./stage_times.ts";
import { TokenTimes } from "./token_times.ts";

export interface RequestRecordDeps {
  readonly telemetry: Telemetry;
  readonly metrics: FrontendMetrics;
}

/** Until a model is known to be served, its name is the client's text: no label holds it. */
const UNKNOWN_MODEL = "unknown_model";

export class RequestRecord {
  readonly ids: RequestIds;
  readonly span: ActiveSpan<"http_request">;
  readonly receivedAtMs = epochMs();
  readonly stages = new StageTimes();
  readonly #metrics: FrontendMetrics;
  readonly #endpoint: Endpoint;
  readonly #times = new TokenTimes();
  #meter: RequestMeter | null = null;
  #model = UNKNOWN_MODEL;
  #requestType: RequestType = "unary";
  #inputTokens = 0;
  #cachedTokens = 0;
  #ttftMs: number | null = null;
  #attempts = 0;
  #preparedAtMs = 0;
  #isFinished = false;

  constructor(deps: RequestRecordDeps, request: Request, endpoint: Endpoint) {
    this.#metrics = deps.metrics;
    this.#endpoint = endpoint;
    this.ids = requestIds(request.headers.get("x-request-id"));
    const url = new URL(request.url);
    const userAgent = request.headers.get("user-agent");
    this.span = deps.telemetry.serverSpan(
      "http_request",
      Object.fromEntries(request.headers),
      this.ids,
      {
        startMs: this.receivedAtMs,
        attributes: {
          "http.request.method": request.method,
          "http.route": endpoint.route,
          "url.path": url.pathname,
          "url.scheme": url.protocol.slice(0, -1),
          "gen_ai.operation.name": endpoint.operation,
          "gen_ai.provider.name": "baton",
          ...(userAgent === null ? {} : { "user_agent.original": userAgent }),
        },
      },
    );
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

  /** The body was read and understood. */
  parsed(request: ChatRequest | CompletionRequest, bodyBytes: number): void {
    this.#requestType = request.isStream ? "stream" : "unary";
    const { maxTokens } = request;
    this.span.set({
      "http.request.body.size": bodyBytes,
      "gen_ai.request.model": request.model,
      "gen_ai.request.stream": request.isStream,
      "gen_ai.request.temperature": request.temperature,
      "gen_ai.request.top_p": request.topP,
      "gen_ai.request.top_k": request.topK,
      ...(maxTokens === undefined ? {} : { "gen_ai.request.max_tokens": maxTokens }),
    });
  }

  /** Workers serve the model: its name may be a label from here on. */
  accepted(model: string): void {
    this.#model = model;
    this.#startMeter();
    this.span.log.info("request received", this.#logFields());
  }

  prepared({ promptTokens, sampling }: PreparedPrompt): void {
    this.#inputTokens = promptTokens.length;
    this.#preparedAtMs = epochMs();
    this.stages.set("preprocess", this.#preparedAtMs - this.receivedAtMs);
    this.span.set({
      "gen_ai.request.seed": sampling.seed,
      "gen_ai.usage.input_tokens": promptTokens.length,
    });
  }

  /** An attempt begins on these instances. */
  attempted(decodeId: string, prefillId: string | undefined): void {
    if (this.#attempts === 0) this.stages.set("route", epochMs() - this.#preparedAtMs);
    this.#attempts++;
    this.span.set({
      attempts: this.#attempts,
      decode_worker_id: decodeId,
      ...(prefillId === undefined ? {} : { prefill_worker_id: prefillId }),
    });
  }

  /** An attempt failed and another one takes over. */
  migrated(failure: AttemptFailure, { attempt, generated }: AttemptHistory): void {
    const facts = {
      attempt,
      "migration.tokens_completed": generated.length,
      "error.type": failure.failure,
    };
    this.span.event("migrated", facts);
    this.span.log.warn("request migrated", {
      ...this.#logFields(),
      ...facts,
      worker_id: failure.failedInstanceId,
      error_detail: failure.message,
    });
  }

  /** Tokens arrived from a worker, at least one. */
  tokens(count: number, arrivedAtMs: number): void {
    const gaps = this.#times.add(count, arrivedAtMs);
    for (let gap = 0; gap < gaps.count; gap++) this.#meter?.nextToken(gaps.gapMs);
  }

  /** The first token was handed to the connection. */
  firstWrite(atMs: number): void {
    this.#ttftMs = atMs - this.receivedAtMs;
    this.stages.set("ttft", this.#ttftMs);
    this.span.event("first_token", {}, atMs);
    this.span.set({ ttft_ms: this.#ttftMs });
    this.#meter?.firstToken(this.#ttftMs, this.#exemplar());
  }

  /** The generation ended by itself or at a stop string. */
  generated(finishReason: CompletionFinishReason, generation: GenerationEnd | undefined): void {
    this.#cachedTokens = generation?.cachedTokens ?? 0;
    this.stages.setWorkers(generation?.decodeTimings, generation?.prefillTimings);
    this.span.set({
      "gen_ai.response.id": answerId(this.#endpoint.kind, this.ids.requestId),
      "gen_ai.response.finish_reasons": [finishReason],
      "gen_ai.usage.cache_read.input_tokens": this.counts.cachedTokens,
    });
  }

  /**
   * Ends the record: well without an error, or as the error says. Only the first call counts.
   * `status` is the HTTP status sent, absent when the client left before it.
   */
  finish(status: number | null, error?: ApiError): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    const outcome = this.#outcome(error);
    const durationMs = epochMs() - this.receivedAtMs;
    const averageItlMs = this.#times.averageGapMs();
    this.span.set({
      "request.outcome": outcome,
      ...(status === null ? {} : { "http.response.status_code": status }),
      ...(this.#times.count === 0 ? {} : { "gen_ai.usage.output_tokens": this.#times.count }),
      ...(averageItlMs === null ? {} : { avg_itl_ms: averageItlMs }),
    });
    if (outcome === "cancelled") {
      this.span.event("client_disconnected");
      this.#metrics.clientDisconnected();
    } else if (error !== undefined && error.kind.status >= 500) {
      this.span.fail(error.code, error.message);
    } else if (error !== undefined) {
      this.span.set({ "error.type": error.code });
    }
    this.#endMeter(durationMs, error);
    this.#logEnd({ outcome, status, durationMs, averageItlMs, error });
    this.span.end();
  }

  /** A refusal after text was sent is a broken promise: an error. */
  #outcome(error: ApiError | undefined): RequestOutcome {
    if (error === undefined) return "success";
    const { outcome } = error.kind;
    return outcome === "rejected" && this.#times.count > 0 ? "error" : outcome;
  }

  #startMeter(): RequestMeter {
    return this.#meter ??= this.#metrics.requestStarted({
      model: this.#model,
      endpoint: this.#endpoint.metric,
      requestType: this.#requestType,
    });
  }

  #endMeter(durationMs: number, error: ApiError | undefined): void {
    const traceId = this.#exemplar();
    const { promptTokens, cachedTokens, completionTokens } = this.counts;
    this.#startMeter().end({
      errorType: error?.kind.label ?? "",
      durationMs,
      ...(traceId === undefined ? {} : { traceId }),
      ...(promptTokens === 0 ? {} : { inputTokens: promptTokens }),
      ...(completionTokens === 0 ? {} : { outputTokens: completionTokens, cachedTokens }),
    });
  }

  /** Only a trace that is exported is worth pointing at. */
  #exemplar(): string | undefined {
    return this.span.isSampled ? this.span.traceId : undefined;
  }

  #logEnd(end: EndFacts): void {
    const { outcome, error } = end;
    const fields = {
      ...this.#logFields(),
      status: outcome,
      http_status: end.status,
      elapsed_ms: end.durationMs,
      input_tokens: this.#inputTokens,
      output_tokens: this.#times.count,
      ttft_ms: this.#ttftMs,
      avg_itl_ms: end.averageItlMs,
      ...(error === undefined
        ? {}
        : { error_type: error.kind.label, error_code: error.code, error_detail: error.message }),
    };
    const { log } = this.span;
    switch (outcome) {
      case "success":
        return log.info("request completed", fields);
      case "cancelled":
        return log.warn("request cancelled", fields);
      case "rejected":
        return log.warn("request rejected", fields);
      case "error":
        return log.error("request completed", { ...fields, cause: causeOf(error) });
    }
  }

  #logFields(): Record<string, string> {
    return {
      model: this.#model,
      endpoint: this.#endpoint.metric,
      request_type: this.#requestType,
    };
  }
}

type RequestOutcome = "success" | "error" | "cancelled" | "rejected";

interface EndFacts {
  readonly outcome: RequestOutcome;
  readonly status: number | null;
  readonly durationMs: number;
  readonly averageItlMs: number | null;
  readonly error: ApiError | undefined;
}

/** The operator sees what the client does not. */
function causeOf(error: ApiError | undefined): string | null {
  const cause = error?.cause;
  if (cause === undefined) return null;
  return cause instanceof Error ? cause.stack ?? cause.message : String(cause);
}
