/**
 * NATS subjects: `dyn.<namespace>.<component>.<endpoint>.<instance>`, Dynamo's shape.
 *
 * Names inside a subject are restricted to `[A-Za-z0-9_-]`, so that no configured value can add a
 * token, a wildcard or white space to a subject.
 */

/** What a worker does: its component token in subjects, spans and metrics. */
export type Role = "prefill" | "decode";

/** Endpoints that a worker instance serves. */
export type Endpoint = "generate" | "card";

/** What processes of a namespace tell each other without being asked. */
export type Topic = "keep_request" | "spans_exported";

/** What may stand as one token of a subject. */
export const SUBJECT_TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

/** Returns `value` when it may stand as one token of a subject; throws a RangeError otherwise. */
export function subjectToken(value: string, what: string): string {
  if (!SUBJECT_TOKEN.test(value)) {
    throw new RangeError(
      `Cannot use ${what} "${value}" in a NATS subject: letters, digits, "_" and "-" only, at most 64`,
    );
  }
  return value;
}

/** The subject on which one instance serves one endpoint. */
export function endpointSubject(
  namespace: string,
  role: Role,
  endpoint: Endpoint,
  instanceId: string,
): string {
  return `dyn.${namespace}.${role}.${endpoint}.${instanceId}`;
}

/** Where the processes of a namespace tell each other of a topic. */
export function topicSubject(namespace: string, topic: Topic): string {
  return `dyn.${namespace}.topic.${topic}`;
}

/** Where whoever has just begun to listen asks every worker of a namespace for a heartbeat at once. */
export function rollCallSubject(namespace: string): string {
  return `dyn.${namespace}.roll_call`;
}

/** Where every worker of a namespace publishes its heartbeats. */
export function heartbeatSubject(namespace: string): string {
  return `dyn.${namespace}.heartbeat`;
}
