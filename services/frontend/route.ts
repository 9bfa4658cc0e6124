/**
 * Chooses an instance: the least loaded one that can take a request, in turn among equals. Pure.
 *
 * Cost is in sequences: those running and waiting at the last heartbeat, those sent since then, and
 * prompt tokens at PROMPT_TOKENS_PER_SEQUENCE to one. Instances that are full, or not `ready`, are never
 * chosen, nor are those that already failed this request.
 */

import type { InstanceRecord, Role } from "../../shared/messages/mod.ts";

/** Prompt tokens still to be computed that weigh as much as one running sequence. */
const PROMPT_TOKENS_PER_SEQUENCE = 256;

/** What this frontend sent to an instance since the heartbeat that the router sees. */
export interface UnreportedLoad {
  readonly requests: number;
  readonly promptTokens: number;
}

export interface RouteQuery {
  readonly role: Role;
  /** Only instances with this very card share weights and tokenizer. */
  readonly cardDigest: string;
  /** Instances that failed this request before. */
  readonly excludedIds: ReadonlySet<string>;
  /** Breaks ties: equals are taken in turn. */
  readonly turn: number;
  unreportedLoad(instance: InstanceRecord): UnreportedLoad;
}

export interface RouteCandidate {
  readonly instance: InstanceRecord;
  readonly cost: number;
}

export interface RouteDecision {
  /** Absent when no instance can take the request. */
  readonly chosen?: RouteCandidate;
  /** Instances that could, cheapest first. */
  readonly candidates: readonly RouteCandidate[];
  /** Instances left out because their queue is full. */
  readonly fullCount: number;
  /** Instances left out because they are not ready or failed this request. */
  readonly unfitCount: number;
}

export function chooseInstance(
  instances: readonly InstanceRecord[],
  query: RouteQuery,
): RouteDecision {
  const candidates: RouteCandidate[] = [];
  let fullCount = 0;
  let unfitCount = 0;
  for (const instance of instances) {
    if (instance.role !== query.role || instance.model.cardDigest !== query.cardDigest) continue;
    if (instance.state !== "ready" || query.excludedIds.has(instance.instanceId)) unfitCount++;
    else if (queueRoom(instance) === 0) fullCount++;
    else candidates.push({ instance, cost: cost(instance, query.unreportedLoad(instance)) });
  }
  candidates.sort((a, b) =>
    a.cost - b.cost || (a.instance.instanceId < b.instance.instanceId ? -1 : 1)
  );
  const cheapest = candidates.filter((candidate) => candidate.cost === candidates[0]?.cost);
  const chosen = cheapest[query.turn % Math.max(cheapest.length, 1)];
  return { ...(chosen === undefined ? {} : { chosen }), candidates, fullCount, unfitCount };
}

/**
 * Requests that may join its queue, none unless it is ready. A queue limit of 0 lets nothing wait, which
 * says nothing about a free slot: the worker decides.
 */
export function queueRoom({ state, load }: InstanceRecord): number {
  if (state !== "ready") return 0;
  return Math.max(0, Math.max(load.queueLimit, 1) - load.waitingSequences);
}

function cost({ load }: InstanceRecord, unreported: UnreportedLoad): number {
  const sequences = load.runningSequences + load.waitingSequences + unreported.requests;
  const promptTokens = load.pendingPromptTokens + unreported.promptTokens;
  return sequences + promptTokens / PROMPT_TOKENS_PER_SEQUENCE;
}
