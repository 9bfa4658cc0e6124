/**
 * Two live workers with one instance id would both take every call of that id, and their frames would
 * mix. The second one finds the first before it serves, and does not start.
 */

import { type Bus, CallError } from "../bus/mod.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import { endpointSubject, type Role } from "../messages/mod.ts";

const ROLES: readonly Role[] = ["prefill", "decode"];
const ANSWER_MS = 1_000;

/**
 * Throws an Error that says what to change when a worker with this instance id is up. One that does not
 * answer in time counts as gone: the server may hold a lost host's subscriptions for minutes.
 */
export async function refuseRival(bus: Bus, instanceId: string): Promise<void> {
  const answers = await Promise.all(ROLES.map((role) => isServed(bus, role, instanceId)));
  const rival = ROLES.find((_, index) => answers[index]);
  if (rival === undefined) return;
  throw new Error(
    `Cannot start: a ${rival} worker with the instance id ${instanceId} is up. ` +
      "Give each worker its own DYN_INSTANCE_ID, or none",
  );
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
