/**
 * Two live workers with one instance id would both take every call of that id, and their frames would
 * mix. The second one finds the first before it serves, and does not start. Where neither could find
 * the other, since both started in the same moment or one was cut off from NATS, they meet by their
 * heartbeats, and the one that started later ends: by what each says of its own start, so that both
 * compare the same two records and it does not matter whose clock is right.
 */

import { type Bus, CallError, type InstanceDirectory } from "../bus/mod.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import { endpointSubject, type InstanceRecord, type Role } from "../messages/mod.ts";

const ROLES: readonly Role[] = ["prefill", "decode"];
const ANSWER_MS = 1_000;
const REMEDY = "Give each worker its own DYN_INSTANCE_ID, or none";

/**
 * Throws an Error that says what to change when a worker with this instance id is up. One that does not
 * answer in time counts as gone: the server may hold a lost host's subscriptions for minutes.
 */
export async function refuseRival(bus: Bus, instanceId: string): Promise<void> {
  const answers = await Promise.all(ROLES.map((role) => isServed(bus, role, instanceId)));
  const rival = ROLES.find((_, index) => answers[index]);
  if (rival === undefined) return;
  throw new Error(
    `Cannot start: a ${rival} worker with the instance id ${instanceId} is up. ${REMEDY}`,
  );
}

/**
 * Resolves, with what to change, when a worker with the id of `own` is up that started before this one;
 * never otherwise. `heartbeat` is of this one: what a later worker with the id said of itself is put
 * right by it at once, wherever it was heard.
 */
export function untilOutranked(
  directory: InstanceDirectory,
  own: InstanceRecord,
  heartbeat: { publishNow(): void },
): Promise<Error> {
  const { promise, resolve } = Promise.withResolvers<Error>();
  let known: InstanceRecord | undefined;
  directory.onChange((instances) => {
    const before = known;
    known = instances.find(({ instanceId }) => instanceId === own.instanceId);
    // The heartbeats of others are no news of this id.
    if (known === before) return;
    const order = known === undefined ? 1 : compareStarts(known, own);
    if (order > 0) heartbeat.publishNow();
    else if (known !== undefined && order < 0) resolve(outranked(known));
  });
  return promise;
}

function outranked({ instanceId, role, host, pid }: InstanceRecord): Error {
  return new Error(
    `Cannot go on: a ${role} worker with the instance id ${instanceId} started before this one ` +
      `(process ${pid} on ${host}). ${REMEDY}`,
  );
}

/** 0 for one and the same process. */
function compareStarts(a: InstanceRecord, b: InstanceRecord): number {
  const byHost = a.host === b.host ? 0 : a.host < b.host ? -1 : 1;
  return a.startedAtMs - b.startedAtMs || a.pid - b.pid || byHost;
}

/** A call without a payload is refused by whoever serves the endpoint, and does nothing there. */
async function isServed(bus: Bus, role: Role, instanceId: string): Promise<boolean> {
  const subject = endpointSubject(bus.namespace, role, "card", instanceId);
  try {
    const frames = bus.call(subject, {}, { deadlineAtMs: epochMs() + ANSWER_MS });
    for await (const _frame of frames) { /* Whatever it answers, it is there. */ }
    return true;
  } catch (error) {
    return error instanceof CallError && error.failure === "remote_error";
  }
}
