/**
 * From a job to calls: picks the instances of an attempt, with the routing spans that explain the
 * choice.
 */

import type { InstanceDirectory } from "../../shared/bus/bus.ts";
import type { InstanceRecord, Role, WorkRequest } from "../../shared/messages/mod.ts";
import { ApiError } from "../../shared/openai/mod.ts";
import type { AttemptPlan } from "./attempt.ts";
import type { GenerationJob } from "./generation_job.ts";
import { chooseInstance, type RouteDecision } from "./route.ts";
import { SentLedger } from "./sent_ledger.ts";
import type { RoutingSpan } from "./worker_call.ts";

export interface DispatcherOptions {
  readonly localPrefillMaxTokens: number;
}

/** What earlier attempts of a job left behind. */
export interface AttemptHistory {
  /** Counts from 1. */
  readonly attempt: number;
  readonly generated: readonly number[];
  /** Instances that failed this job and are not asked again. */
  readonly failedIds: ReadonlySet<string>;
  /** Instances that went, or were stuck, while they had it: asked again when they are back and nobody else is there. */
  readonly goneIds: ReadonlySet<string>;
}

interface Route {
  readonly routing: RoutingSpan;
  readonly instance: InstanceRecord;
}

export class Dispatcher {
  readonly #directory: InstanceDirectory;
  readonly #options: DispatcherOptions;
  readonly #ledger = new SentLedger();
  #turn = 0;

  constructor(directory: InstanceDirectory, options: DispatcherOptions) {
    this.#directory = directory;
    this.#options = options;
    directory.onChange((instances) => this.#ledger.retain(instances));
  }

  /**
   * Chooses instances for the next attempt. A first attempt on a prompt that is long enough uses a
   * prefill worker where one is up; a replay is computed by the decode worker, which needs no transfer
   * that could fail again. Throws an ApiError when no decode worker can take the job.
   */
  plan(job: GenerationJob, history: AttemptHistory): AttemptPlan {
    const request = workRequest(job, history);
    const isDisaggregated = history.attempt === 1 && job.maxTokens > 1 &&
      job.promptTokens.length > this.#options.localPrefillMaxTokens;
    const prefill = isDisaggregated ? this.#route(job, "prefill", history) : null;
    const decode = this.#route(job, "decode", history);
    if (decode === null || decode === "full") endRouting(prefill);
    if (decode === null) {
      throw new ApiError("no_workers", `Cannot serve model ${job.model}: ${this.#absence(job)}`);
    }
    if (decode === "full") {
      throw new ApiError(
        "overloaded",
        `Cannot serve model ${job.model} now: the queues of all decode workers are full`,
      );
    }
    const { deadlineAtMs } = job;
    const completedTokens = history.generated.length;
    const base = { completedTokens, deadlineAtMs };
    const newPromptTokens = request.promptTokens.length;
    if (prefill === null || prefill === "full") {
      this.#ledger.add(decode.instance, newPromptTokens);
      return { decode: { ...decode, ...base, request: { ...request, phase: "aggregate" } } };
    }
    this.#ledger.add(prefill.instance, newPromptTokens);
    this.#ledger.add(decode.instance, 0);
    const transferId = `${job.requestId}-${history.attempt}`;
    return {
      prefill: { ...prefill, ...base, request: { ...request, phase: "prefill", transferId } },
      decode: { ...decode, ...base, request: { ...request, phase: "decode", transferId } },
    };
  }

  /** Null when no instance of the role serves the model and is fit for the job. */
  #route(job: GenerationJob, role: Role, history: AttemptHistory): Route | "full" | null {
    const instances = this.#directory.list(role);
    const isServed = instances.some((each) => each.model.cardDigest === job.cardDigest);
    if (role === "prefill" && !isServed) return null;
    const { attempt } = history;
    const routing: RoutingSpan = role === "prefill"
      ? job.span.child("prefill_routing", { attributes: { attempt } })
      : job.span.child("decode_routing", { attributes: { attempt } });
    const decision = this.#select(routing, instances, {
      role,
      cardDigest: job.cardDigest,
      history,
    });
    if (decision.chosen !== undefined) return { routing, instance: decision.chosen.instance };
    routing.end();
    return decision.fullCount > 0 ? "full" : null;
  }

  /** Why no decode worker can be had. */
  #absence({ cardDigest }: GenerationJob): string {
    const states = this.#directory.list("decode")
      .filter(({ model, state }) => model.cardDigest === cardDigest && state !== "ready")
      .map(({ state }) => state);
    return states.length === 0
      ? "no decode worker is up"
      : `no decode worker takes requests (${[...new Set(states)].join(", ")})`;
  }

  #select(
    routing: RoutingSpan,
    instances: readonly InstanceRecord[],
    { role, cardDigest, history }: { role: Role; cardDigest: string; history: AttemptHistory },
  ): RouteDecision {
    const span = routing.child("select_worker");
    const turn = this.#turn++;
    const choose = (excludedIds: ReadonlySet<string>) =>
      chooseInstance(instances, {
        role,
        cardDigest,
        excludedIds,
        turn,
        unreportedLoad: (instance) => this.#ledger.unreportedLoad(instance),
      });
    const { failedIds, goneIds } = history;
    const others = choose(failedIds.union(goneIds));
    const decision = others.chosen === undefined && goneIds.size > 0 ? choose(failedIds) : others;
    const { chosen, candidates } = decision;
    span.set({
      "router.candidates": candidates.length,
      "router.skipped": decision.fullCount + decision.unfitCount,
      "router.candidate_ids": candidates.map((each) => each.instance.instanceId),
      "router.candidate_costs": candidates.map((each) => each.cost.toFixed(2)),
      ...(chosen && { worker_id: chosen.instance.instanceId, "router.cost": chosen.cost }),
    });
    span.end();
    return decision;
  }
}

function endRouting(route: Route | "full" | null): void {
  if (route !== null && route !== "full") route.routing.end();
}

/** A replay asks for what is left: its prompt holds the tokens generated so far. */
function workRequest(job: GenerationJob, history: AttemptHistory): Omit<WorkRequest, "phase"> {
  return {
    requestId: job.requestId,
    attempt: history.attempt,
    model: job.model,
    promptTokens: [...job.promptTokens, ...history.generated],
    sampling: job.sampling,
    maxTokens: job.maxTokens - history.generated.length,
    stopTokenIds: job.stopTokenIds,
  };
}
