/**
 * One call of a worker and its `router.route_request` span, which ends exactly once: with the `end`
 * frame or when that is no longer waited for, with the failure, or at the moment the call is cancelled.
 * A worker that is at its end and leaves its stream open holds nobody up: it is cancelled a little later.
 */

import { type Bus, CallError, type Frame, type Headers } from "../../shared/bus/bus.ts";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import {
  cancellationHeaders,
  type CancellationSignal,
  endpointSubject,
  type InstanceRecord,
  parseWorkFrame,
  type WorkFrame,
  type WorkRequest,
} from "../../shared/messages/mod.ts";
import { parseTraceparent } from "../../shared/telemetry/propagate/mod.ts";
import type { ActiveSpan } from "../../shared/telemetry/telemetry.ts";

export type RoutingSpan = ActiveSpan<"prefill_routing"> | ActiveSpan<"decode_routing">;

export interface WorkerCallOptions {
  readonly routing: RoutingSpan;
  readonly instance: InstanceRecord;
  readonly request: WorkRequest;
  /** Tokens that earlier attempts generated. */
  readonly completedTokens: number;
  readonly deadlineAtMs: number;
}

/** Time that a worker has to close its stream once its work is done. */
const CLOSE_MS = 500;

export class WorkerCall {
  readonly instance: InstanceRecord;
  readonly #bus: Bus;
  readonly #options: WorkerCallOptions;
  readonly #span: ActiveSpan<"route_request">;
  readonly #abort = new AbortController();
  readonly #sentAtMs = epochMs();
  #frames = 0;
  #stage: WorkFrame["kind"] | null = null;
  #isClosed = false;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #cancellation: CancellationSignal = "superseded";

  constructor(bus: Bus, options: WorkerCallOptions) {
    const { routing, instance, request, completedTokens } = options;
    this.#bus = bus;
    this.#options = options;
    this.instance = instance;
    this.#span = routing.child("route_request", {
      startMs: this.#sentAtMs,
      attributes: {
        request_id: request.requestId,
        phase: request.phase,
        worker_id: instance.instanceId,
        attempt: request.attempt,
        "gen_ai.request.model": request.model,
        "migration.is_retry": request.attempt > 1,
        "migration.tokens_completed": completedTokens,
        "messaging.system": "nats",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.template": `dyn.{namespace}.${instance.role}.generate.{instance}`,
        "worker.stage": "sent",
      },
    });
  }

  /** Nothing more is expected of the worker. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The worker has told that its engine works on it. */
  get hasBegun(): boolean {
    return this.#stage !== null && this.#stage !== "accepted";
  }

  /**
   * Calls the worker and hands out its frames up to `end`, by a callback since one comes for every
   * token. Rejects with a CallError; once closed, resolves.
   */
  async run(onFrame: (frame: WorkFrame) => void): Promise<void> {
    const { instance, request, deadlineAtMs } = this.#options;
    const subject = endpointSubject(
      instance.namespace,
      instance.role,
      "generate",
      instance.instanceId,
    );
    try {
      const call = this.#bus.call(subject, request, {
        headers: this.#span.headers(),
        signal: this.#abort.signal,
        cancelHeaders: () => ({
          ...this.#span.headers(),
          ...cancellationHeaders(this.#cancellation),
        }),
        deadlineAtMs,
        onFrame: (arrived) => {
          const frame = this.#read(arrived);
          if (frame !== null) onFrame(frame);
        },
      });
      for await (const _frame of call) { /* Frames come to onFrame. */ }
      if (this.#isClosed) return;
      throw new CallError(
        "disconnected",
        `Cannot finish the request: instance ${instance.instanceId} ended its stream early`,
      );
    } catch (error) {
      if (this.#isClosed) return;
      const failure = failureOf(error);
      this.#span.fail(failure, error instanceof Error ? error.message : String(error));
      this.#close("error");
      throw error;
    } finally {
      clearTimeout(this.#closeTimer);
      this.#routingEnded();
    }
  }

  /**
   * The work is done: the span ends well now, and the worker closes its stream by itself. A call that
   * already ended stays as it is.
   */
  finish(): void {
    if (this.#isClosed) return;
    this.#close("success");
    this.#routingEnded();
    this.#closeTimer = setTimeout(() => this.#abort.abort(), CLOSE_MS);
  }

  /** Fails the call now, and tells the worker to stop. A call that already ended stays as it is. */
  giveUp(reason: StuckError): void {
    if (!this.#isClosed) this.#abort.abort(reason);
  }

  /** Tells the worker to stop and ends the span now. A call that already ended stays as it is. */
  cancel(signal: CancellationSignal): void {
    if (this.#isClosed) return;
    this.#cancellation = signal;
    this.#span.set({ "cancellation.signal": signal });
    this.#span.event("cancel_sent");
    this.#close(signal === "stop_string" ? "success" : "cancelled");
    this.#routingEnded();
    this.#abort.abort();
  }

  /** Null for what is not to be passed on: once closed, only the stream's own end is waited for. */
  #read({ body, headers }: Frame<unknown>): WorkFrame | null {
    if (this.#isClosed) return null;
    if (this.#frames === 0) this.#nameWorkerSpan(headers);
    const frame = parseWorkFrame(body);
    if (frame === null) return null;
    this.#note(frame);
    if (frame.kind === "end") this.finish();
    return frame;
  }

  /** The span that made the frames: known here also when its worker dies and never exports it. */
  #nameWorkerSpan(headers: Headers): void {
    const made = parseTraceparent(headers.traceparent);
    if (made !== null) this.#span.set({ "worker.span_id": made.spanId });
  }

  #note(frame: WorkFrame): void {
    this.#frames++;
    if (this.#frames === 1) this.#span.set({ first_frame_ms: epochMs() - this.#sentAtMs });
    if (frame.kind !== this.#stage) this.#span.set({ "worker.stage": frame.kind });
    this.#stage = frame.kind;
    if (frame.kind === "accepted") this.#span.set({ "worker.queue_depth": frame.queueDepth });
    if (frame.kind === "tokens" && frame.index === 0) this.#span.event("first_token");
  }

  #close(outcome: "success" | "cancelled" | "error"): void {
    this.#isClosed = true;
    this.#span.set({ "request.outcome": outcome, "stream.frames": this.#frames });
    this.#span.end();
  }

  #routingEnded(): void {
    this.#options.routing.end();
  }
}

/** The worker's engine is stuck in a step, and its call is given up. */
export class StuckError extends Error {
  override name = "StuckError";
}

/** The code that spans, logs and retries know a failed call by. */
export function failureOf(error: unknown): string {
  if (error instanceof StuckError) return "stuck";
  if (!(error instanceof CallError)) return "internal";
  return error.failure === "remote_error" ? error.remoteCode ?? "internal" : error.failure;
}
