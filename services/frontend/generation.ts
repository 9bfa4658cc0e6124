/**
 * Generates the tokens of a job over as many attempts as it takes, within the migration limit.
 *
 * A worker that fails loses no text: the next attempt's prompt is the prompt and the tokens so far.
 * Sampling depends on seed and absolute position only, so the text goes on as it would have.
 */

import type { Bus, CallFailure, InstanceDirectory } from "../../shared/bus/bus.ts";
import type {
  CancellationSignal,
  InstanceRecord,
  WorkErrorCode,
} from "../../shared/messages/mod.ts";
import { ApiError } from "../../shared/openai/mod.ts";
import {
  Attempt,
  AttemptFailure,
  type AttemptPlan,
  type FrameArrival,
  type GenerationEnd,
  type GenerationEvent,
} from "./attempt.ts";
import type { AttemptHistory, Dispatcher } from "./dispatcher.ts";
import type { GenerationJob } from "./generation_job.ts";
import type { StuckWorkers } from "./stuck_workers.ts";
import type { WorkerReturn } from "./worker_return.ts";

/** Failures after which another instance may do better. Everything else is the request's own fault. */
const RETRYABLE: ReadonlySet<string> = new Set<CallFailure | WorkErrorCode | "stuck">([
  "no_responders",
  "disconnected",
  "overloaded",
  "draining",
  "transfer_failed",
  "engine_failed",
  "stuck",
  "internal",
]);

/** Failures that say nothing against the instance that reported them. */
const BLAMELESS: ReadonlySet<string> = new Set<WorkErrorCode>(["transfer_failed"]);

/**
 * The instance is gone until its next heartbeat, one whose engine failed until it was started again; then
 * it may have the job again.
 */
const GONE: ReadonlySet<string> = new Set<CallFailure | WorkErrorCode>([
  "no_responders",
  "disconnected",
  "engine_failed",
]);

/** The instance ends, or may wake: it may have the job again where nobody else is there. */
const PASSING: ReadonlySet<string> = new Set<WorkErrorCode | "stuck">(["draining", "stuck"]);

export interface GenerationDeps {
  readonly bus: Bus;
  readonly directory: InstanceDirectory;
  readonly dispatcher: Dispatcher;
  readonly migrationLimit: number;
  readonly workerReturn: Pick<WorkerReturn, "decoder" | "has">;
  readonly stuckWorkers: Pick<StuckWorkers, "watch">;
}

/** Told of attempts, for the record. */
export interface GenerationProgress {
  onAttempt(plan: AttemptPlan): void;
  /** Of the last attempt. */
  onFrame(arrival: FrameArrival): void;
  /** Another attempt follows the one that failed. */
  onMigration(failure: AttemptFailure, history: AttemptHistory): void;
}

interface JobHistory extends AttemptHistory {
  readonly failedIds: Set<string>;
  readonly goneIds: Set<string>;
}

/** Generates over attempts. Throws an ApiError; leaving early stops the workers. */
export async function* generate(
  deps: GenerationDeps,
  job: GenerationJob,
  progress: GenerationProgress,
): AsyncGenerator<GenerationEvent> {
  const generated: number[] = [];
  const failedIds = new Set<string>();
  const goneIds = new Set<string>();
  let lastFailure: AttemptFailure | null = null;
  for (let attempt = 1;; attempt++) {
    const history: JobHistory = { attempt, generated, failedIds, goneIds };
    const plan = await nextPlan(deps, job, history, lastFailure);
    if (lastFailure !== null) progress.onMigration(lastFailure, history);
    progress.onAttempt(plan);
    const run = new Attempt(deps.bus, plan, (arrival) => progress.onFrame(arrival));
    const unwatch = attempt > deps.migrationLimit ? () => {} : deps.stuckWorkers.watch({
      get openInstanceIds() {
        return run.openInstanceIds;
      },
      isFit: fitnessFor(job, history),
      onStuck: (instanceId) => run.giveUp(instanceId),
    });
    // A reader that has left asks for nothing more: what follows the loop may never run.
    const onAbort = () => {
      unwatch();
      run.abort(cancellationOf(job.signal.reason), job.signal.reason);
    };
    job.signal.addEventListener("abort", onAbort, { once: true });
    try {
      if (job.signal.aborted) onAbort();
      run.start();
      for (;;) {
        const event = await run.next();
        if (event.kind === "tokens") generated.push(...event.ids);
        yield event;
        if (event.kind === "end") return;
      }
    } catch (error) {
      if (!(error instanceof AttemptFailure)) throw error;
      const end = endWithoutFrame(job, generated);
      if (end !== null) {
        yield end;
        return;
      }
      if (!RETRYABLE.has(error.failure) || attempt > deps.migrationLimit) throw refusalOf(error);
      if (GONE.has(error.failure)) deps.directory.drop(error.failedInstanceId);
      exclude(error, history);
      lastFailure = error;
    } finally {
      unwatch();
      run.close();
      job.signal.removeEventListener("abort", onAbort);
    }
  }
}

/** Waits, within bounds, for a worker that has just gone. */
async function nextPlan(
  deps: GenerationDeps,
  job: GenerationJob,
  history: AttemptHistory,
  lastFailure: AttemptFailure | null,
): Promise<AttemptPlan> {
  const isFit = fitnessFor(job, history);
  let isWaitedFor = true;
  while (isWaitedFor && !deps.workerReturn.has(isFit)) {
    isWaitedFor = await deps.workerReturn.decoder(isFit, job);
  }
  job.signal.throwIfAborted();
  try {
    return deps.dispatcher.plan(job, history);
  } catch (error) {
    if (lastFailure === null || !(error instanceof ApiError)) throw error;
    throw refusalOf(lastFailure);
  }
}

/** Whether an instance serves the job's model and has not failed the job. */
function fitnessFor(
  { cardDigest }: GenerationJob,
  { failedIds }: AttemptHistory,
): (instance: InstanceRecord) => boolean {
  return ({ instanceId, model }) => model.cardDigest === cardDigest && !failedIds.has(instanceId);
}

/** Notes that the instance which failed is not asked again, or only when nobody else is there. */
function exclude(
  { failure, failedInstanceId }: AttemptFailure,
  { failedIds, goneIds }: JobHistory,
): void {
  if (GONE.has(failure) || PASSING.has(failure)) goneIds.add(failedInstanceId);
  else if (!BLAMELESS.has(failure)) failedIds.add(failedInstanceId);
}

/** All tokens arrived and only the end frame was lost: there is nothing to replay. */
function endWithoutFrame(job: GenerationJob, generated: readonly number[]): GenerationEnd | null {
  const last = generated.at(-1);
  if (last !== undefined && job.stopTokenIds.includes(last)) {
    return { kind: "end", finishReason: "stop" };
  }
  if (generated.length < job.maxTokens) return null;
  return { kind: "end", finishReason: "length" };
}

function cancellationOf(reason: unknown): CancellationSignal {
  switch (reason instanceof ApiError ? reason.code : null) {
    case "shutting_down":
      return "shutdown";
    case "deadline_exceeded":
      return "deadline";
    default:
      return "client_disconnect";
  }
}

/** What the client is told when an attempt failed for good. */
function refusalOf(failure: AttemptFailure): ApiError {
  const options = { cause: failure };
  switch (failure.failure) {
    case "overloaded":
      return new ApiError("overloaded", "Cannot serve now: the workers' queues are full", options);
    case "too_long":
      return new ApiError(
        "context_length_exceeded",
        "Cannot fit the prompt and its answer into a worker's KV cache: shorten the prompt or lower max_tokens",
        options,
      );
    case "too_large":
      return new ApiError(
        "request_too_large",
        "Cannot pass the prompt on to a worker: it does not fit into one message of the NATS server. " +
          "Shorten it, or raise the server's max_payload",
        options,
      );
    case "deadline_exceeded":
      return new ApiError("deadline_exceeded", "Cannot finish in the time allowed", options);
    case "no_responders":
    case "disconnected":
    case "draining":
    case "transfer_failed":
    case "engine_failed":
    case "stuck":
      return new ApiError(
        "worker_failed",
        `Cannot finish: a worker failed (${failure.failure}); ask again`,
        options,
      );
    default:
      return new ApiError("internal_error", "Cannot finish: an internal error occurred", options);
  }
}
