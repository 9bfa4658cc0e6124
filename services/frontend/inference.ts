/**
 * The two completion endpoints: one request from its headers to the last byte of its answer.
 *
 * Headers of a stream are sent with its first token, so that whatever fails before it is a proper
 * HTTP status. Until then a client that leaves shows in the request's signal, afterwards in the
 * stream's own connection.
 */

import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context, Handler } from "hono";
import {
  type AnswerHead,
  ApiError,
  type ChatRequest,
  ChunkWriter,
  type CompletionRequest,
  toApiError,
  usageOf,
  wholeResponse,
} from "../../shared/openai/mod.ts";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import type { InstanceRecord } from "../../shared/messages/mod.ts";
import type { Admission } from "./admission.ts";
import { answer, type AnswerEnd, type AnswerPiece } from "./answer.ts";
import type { Endpoint } from "./endpoint.ts";
import { errorResponse } from "./error_response.ts";
import { EventStream, type Outgoing } from "./event_stream.ts";
import type { GenerationDeps } from "./generation.ts";
import type { GenerationJob } from "./generation_job.ts";
import type { ModelCatalogue } from "./models.ts";
import type { FrontendOptions } from "./options.ts";
import { preprocess } from "./preprocess.ts";
import { readJsonBody, type RequestBody } from "./request_body.ts";
import { RequestRecord, type RequestRecordDeps } from "./request_record.ts";
import type { InflightRequest } from "./running_requests.ts";
import type { ServedModel } from "./served_model.ts";

export interface InferenceDeps extends GenerationDeps, RequestRecordDeps {
  readonly catalogue: ModelCatalogue;
  readonly admission: Admission<InflightRequest>;
  readonly options: FrontendOptions;
}

/** What the server gives the app beside a request. */
export interface FrontendEnv {
  readonly Bindings: { readonly outgoing: Outgoing };
}

export function inferenceHandler(deps: InferenceDeps, endpoint: Endpoint): Handler<FrontendEnv> {
  return async function handleInference(c: Context<FrontendEnv>): Promise<Response> {
    const record = new RequestRecord(deps, c.req.raw, endpoint);
    let abort: AbortController | null = null;
    try {
      const { outgoing } = c.env;
      abort = deps.admission.enter({ record, outgoing });
      return await new InferenceRequest(deps, endpoint, { record, abort, outgoing })
        .answer(c.req.raw);
    } catch (thrown) {
      const error = toApiError(thrown);
      const hasLeft = error.code === "client_closed_request";
      record.finish(hasLeft ? null : error.kind.status, error);
      if (abort !== null) deps.admission.leave(abort);
      record.stages.set("total", epochMs() - record.receivedAtMs);
      return errorResponse(error, { headers: record.headers, timings: record.timings(null) });
    }
  };
}

interface InferenceState {
  readonly record: RequestRecord;
  readonly abort: AbortController;
  readonly outgoing: Outgoing;
}

class InferenceRequest {
  readonly #deps: InferenceDeps;
  readonly #endpoint: Endpoint;
  readonly #record: RequestRecord;
  readonly #abort: AbortController;
  readonly #outgoing: Outgoing;
  /** Arrival, since reading the body is part of it, or the end of a wait that has a span of its own. */
  #preprocessFromMs: number;

  constructor(
    deps: InferenceDeps,
    endpoint: Endpoint,
    { record, abort, outgoing }: InferenceState,
  ) {
    this.#deps = deps;
    this.#endpoint = endpoint;
    this.#record = record;
    this.#abort = abort;
    this.#outgoing = outgoing;
    this.#preprocessFromMs = record.receivedAtMs;
  }

  /** Throws an ApiError, or whatever failed, before the response; afterwards the stream tells. */
  async answer(http: Request): Promise<Response> {
    const onLeave = () =>
      this.#abort.abort(
        new ApiError("client_closed_request", "The client closed the connection"),
      );
    http.signal.addEventListener("abort", onLeave, { once: true });
    try {
      if (http.signal.aborted) onLeave();
      return await this.#respond(http);
    } finally {
      http.signal.removeEventListener("abort", onLeave);
    }
  }

  get #deadlineAtMs(): number {
    return this.#record.receivedAtMs + this.#deps.options.requestTimeoutMs;
  }

  async #respond(http: Request): Promise<Response> {
    const { catalogue, workerReturn } = this.#deps;
    const { value, bytes } = await this.#readBody(http);
    const request = this.#endpoint.parse(value);
    this.#record.parsed(request, bytes);
    const isKnown = catalogue.knows(request.model);
    if (isKnown) this.#record.accepted(request.model);
    const isOfModel = ({ model }: InstanceRecord) => model.name === request.model;
    let isWaitedFor = true;
    while (isWaitedFor && !workerReturn.has(isOfModel)) {
      isWaitedFor = await workerReturn.decoder(isOfModel, {
        span: this.#record.span,
        signal: this.#abort.signal,
        deadlineAtMs: this.#deadlineAtMs,
      });
      if (isWaitedFor) this.#preprocessFromMs = epochMs();
    }
    const model = await catalogue.resolve(request.model);
    this.#abort.signal.throwIfAborted();
    if (!isKnown) this.#record.accepted(model.card.name);
    const job = this.#prepare(request, model);
    const pieces = answer(this.#deps, job, {
      model,
      stopStrings: request.stopStrings,
      isContinuation: request.kind === "completion",
      progress: {
        onAttempt: (plan) => this.#record.attempted(plan),
        onFrame: (arrival) => this.#record.frame(arrival),
        onMigration: (failure, history) => this.#record.migrated(failure, history),
      },
    });
    const head: AnswerHead = {
      kind: request.kind,
      requestId: this.#record.ids.requestId,
      model: model.card.name,
      createdAtMs: this.#record.receivedAtMs,
      fingerprint: model.fingerprint,
    };
    return request.isStream
      ? await this.#stream(pieces, { head, job, includeUsage: request.includeUsage })
      : await this.#whole(pieces, head);
  }

  /** A client that sends its body too slowly is given up like one that reads too slowly. */
  async #readBody(http: Request): Promise<RequestBody> {
    const { maxBodyBytes, requestTimeoutMs } = this.#deps.options;
    const giveUp = () =>
      this.#abort.abort(
        new ApiError("deadline_exceeded", "Cannot read the request body in time"),
      );
    const timer = setTimeout(giveUp, requestTimeoutMs);
    try {
      return await readJsonBody(http, { maxBytes: maxBodyBytes, signal: this.#abort.signal });
    } finally {
      clearTimeout(timer);
    }
  }

  #prepare(request: ChatRequest | CompletionRequest, model: ServedModel): GenerationJob {
    const { catalogue } = this.#deps;
    const record = this.#record;
    const span = record.span.child("preprocess", { startMs: this.#preprocessFromMs });
    try {
      const contextLimit = catalogue.contextLimit(model);
      const prepared = preprocess(request, { model, contextLimit, span });
      record.prepared(prepared);
      return {
        ...prepared,
        requestId: record.ids.requestId,
        model: model.card.name,
        cardDigest: model.cardDigest,
        deadlineAtMs: this.#deadlineAtMs,
        span: record.span,
        signal: this.#abort.signal,
      };
    } finally {
      span.end();
    }
  }

  async #stream(
    pieces: AsyncGenerator<AnswerPiece | AnswerEnd>,
    { head, job, includeUsage }: {
      head: AnswerHead;
      job: GenerationJob;
      includeUsage: boolean;
    },
  ): Promise<Response> {
    const { options, admission } = this.#deps;
    const first = await pieces.next();
    if (!first.done && first.value.kind === "piece") {
      this.#record.stages.set("ttft", first.value.arrivedAtMs - this.#record.receivedAtMs);
    }
    const stream = new EventStream({
      outgoing: this.#outgoing,
      pieces,
      first,
      chunks: new ChunkWriter(head, { includeUsage }),
      includeUsage,
      record: this.#record,
      abort: this.#abort,
      keepAliveIntervalMs: options.keepAliveIntervalMs,
      deadlineAtMs: job.deadlineAtMs,
      onEnd: () => admission.leave(this.#abort),
    });
    this.#abort.signal.throwIfAborted();
    stream.start({
      ...this.#record.headers,
      "content-type": "text/event-stream",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    });
    return RESPONSE_ALREADY_SENT;
  }

  async #whole(
    pieces: AsyncGenerator<AnswerPiece | AnswerEnd>,
    head: AnswerHead,
  ): Promise<Response> {
    const record = this.#record;
    let text = "";
    let finishReason: AnswerEnd["finishReason"] = "stop";
    let isFirst = true;
    for await (const item of pieces) {
      if (item.kind === "end") {
        text += item.text;
        finishReason = item.finishReason;
        record.generated(item.finishReason);
        continue;
      }
      text += item.texts.join("");
      record.tokens(item.texts.length, item.arrivedAtMs);
      if (isFirst) record.firstWrite(item.arrivedAtMs);
      isFirst = false;
    }
    const usage = usageOf(record.counts);
    record.stages.set("total", epochMs() - record.receivedAtMs);
    const timings = record.timings(finishReason);
    const response = Response.json(wholeResponse(head, { text, finishReason, usage, timings }), {
      headers: record.headers,
    });
    record.finish(response.status);
    this.#deps.admission.leave(this.#abort);
    return response;
  }
}
