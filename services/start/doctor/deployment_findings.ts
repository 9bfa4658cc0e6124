/** What a running deployment says of itself: its bus, its workers, its clocks, its requests' contexts. */

import { hostname } from "node:os";
import type { BusAnswer, HeardInstance } from "./bus_view.ts";
import { type Finding, good, trouble } from "./finding.ts";
import type { FrontendAnswer, FrontendHealth, FrontendView } from "./frontend_view.ts";

/** An address, and whether the user named it: what nobody named need not be there. */
export interface Address {
  readonly url: string;
  readonly isGiven: boolean;
}

/** From here on a difference is of the clocks: a message on the bus takes a few milliseconds. */
const SKEW_MS = 250;

/** Of the frontend, and of the workers as it sees them. */
export function frontendFindings({ url, isGiven }: Address, answer: FrontendAnswer): Finding[] {
  if (answer.kind !== "baton") {
    if (isGiven) {
      return [trouble("bad", "frontend-unreachable", `No frontend at ${url}: ${answer.reason}`)];
    }
    return [good("frontend", `none runs at ${url}; once one does, the doctor looks at it too`)];
  }
  const { view } = answer;
  return [
    ...stateFindings(url, view.health),
    ...spanFindings(url, view),
    ...contextFindings(url, view.contexts),
  ];
}

function stateFindings(url: string, health: FrontendHealth): Finding[] {
  const { status, stage, instances, models } = health;
  if (!health.bus.is_connected) {
    return [trouble("bad", "nats-unreachable", `The frontend at ${url} has lost its NATS server`)];
  }
  if (status === "no_workers") {
    const heard = instances.length === 0
      ? "has heard of no worker"
      : "has heard of no decode worker that takes requests, but of " +
        instances.map(({ component, state }) => `a ${component} worker (${state})`).join(", ");
    return [trouble("bad", "no-workers", `The frontend at ${url} ${heard}`)];
  }
  const workers = instances.map(({ component, device }) =>
    `${component} on ${device.backend} (${device.adapter})`
  );
  const state = status === "healthy" ? `serves ${models.join(", ")}` : `is ${stage}`;
  const emulated = instances.filter(({ device }) =>
    device.is_software && device.backend === "webgpu"
  );
  return [
    good("frontend", `${url} ${state} with ${workers.join(", ") || "no worker"}`),
    ...emulated.map(({ component, instance_id, device }) =>
      trouble(
        "note",
        "software-adapter",
        `The ${component} worker ${instance_id} computes on ${device.adapter}, a software adapter`,
      )
    ),
  ];
}

type SpanCounts = FrontendHealth["telemetry"];

function spanFindings(url: string, { health, contexts }: FrontendView): Finding[] {
  const whose = `The frontend at ${url}`;
  const lossy = [
    ...lossFindings(whose, health.telemetry),
    ...health.instances.flatMap(({ component, instance_id, telemetry }) =>
      telemetry === undefined
        ? []
        : lossFindings(`The ${component} worker ${instance_id}`, telemetry)
    ),
  ];
  const requests = contexts.continued + contexts.ignored + contexts.absent;
  if (requests === 0 || hasExported(health)) return lossy;
  const facts =
    `${whose} has taken ${requests} requests and exported no span: it exports none, or ` +
    "none of them was sampled";
  return [...lossy, trouble("note", "export-off", facts)];
}

function lossFindings(
  whose: string,
  { exported_spans, dropped_spans, failed_batches }: SpanCounts,
): Finding[] {
  if (dropped_spans > 0) {
    const facts = `${whose} has lost ${dropped_spans} spans and delivered ${exported_spans}; ` +
      `${failed_batches} exports failed`;
    return [trouble("note", "spans-dropped", facts)];
  }
  if (failed_batches === 0 || exported_spans > 0) return [];
  const facts = `${whose} has delivered no span, and ${failed_batches} exports failed`;
  return [trouble("bad", "collector-unreachable", facts)];
}

/** Whether it has at least tried. */
export function hasExported({ telemetry }: FrontendHealth): boolean {
  return Object.values(telemetry).some((count) => count > 0);
}

function contextFindings(url: string, contexts: FrontendView["contexts"]): Finding[] {
  const { continued, ignored, absent } = contexts;
  const total = continued + ignored + absent;
  if (total === 0) return [];
  if (ignored > 0) {
    const facts =
      `${ignored} of ${total} requests at ${url} came with a trace context that is not ` +
      "valid, or in a format that OTEL_PROPAGATORS does not name";
    return [trouble("note", "no-traceparent", facts)];
  }
  if (continued > 0) {
    return [good("context", `${continued} of ${total} requests continued their client's trace`)];
  }
  const facts =
    `No request at ${url} came with a traceparent (${total} so far), so each begins a trace`;
  return [trouble("note", "no-traceparent", facts)];
}

export interface BusExpectation {
  readonly namespace: string;
  /** Of the workers that a running frontend knows; null where none runs. */
  readonly frontendWorkers: readonly string[] | null;
}

/** Of the bus and of the workers heard on it. */
export function busFindings(
  { url, isGiven }: Address,
  answer: BusAnswer,
  { namespace, frontendWorkers }: BusExpectation,
): Finding[] {
  if (answer.kind === "unreachable") {
    return isGiven ? [trouble("bad", "nats-unreachable", answer.reason)] : [];
  }
  const { heard, pingMs } = answer;
  // A server that nobody named is the frontend's where its workers are heard.
  const isTheirs = heard.some(({ record }) => frontendWorkers?.includes(record.instanceId));
  if (!isGiven && !isTheirs) return [];
  const hosts = url.split(",").map((part) => URL.parse(part)?.host ?? part).join(", ");
  const there = good("nats", `a server answers at ${hosts} in ${pingMs.toFixed(1)} ms`);
  const clocks = heard.length === 0 ? [] : clockFindings(heard);
  const canDecode = heard.some(({ record }) => record.role === "decode");
  if (canDecode || frontendWorkers === null || !isGiven) return [there, ...clocks];
  const whom = heard.length === 0 ? "no worker" : "prefill workers alone";
  const facts = `Heartbeats come from ${whom} in the namespace ${namespace} at ${hosts}`;
  return [there, trouble("bad", "no-workers", facts), ...clocks];
}

/** Compares the clocks of the workers' hosts with this machine's; `ownHost` is this one's name. */
export function clockFindings(
  heard: readonly HeardInstance[],
  ownHost: string = hostname(),
): Finding[] {
  // What is on this machine has its clock, however late its heartbeats are.
  const others = heard.filter(({ record }) => record.host !== ownHost);
  if (others.length === 0) return [good("clocks", "all workers are on this machine")];
  const hosts = new Map<string, HeardInstance>();
  for (const instance of others) {
    const known = hosts.get(instance.record.host);
    if (known === undefined || instance.delayMs < known.delayMs) {
      hosts.set(instance.record.host, instance);
    }
  }
  const skewed = [...hosts.values()].filter(({ delayMs }) => Math.abs(delayMs) >= SKEW_MS);
  if (skewed.length === 0) {
    const hostCount = hosts.size === 1 ? "1 host" : `${hosts.size} hosts`;
    return [good("clocks", `the heartbeats of ${hostCount} agree with this clock`)];
  }
  return skewed.map(({ record, delayMs }) => {
    const whose = `The clock of ${record.host} (${record.role} ${record.instanceId})`;
    return skewFinding(whose, -delayMs, "by its heartbeats");
  });
}

/** Of the frontend's own clock. */
export function frontendClockFindings({ url }: Address, view: FrontendView): Finding[] {
  if (Math.abs(view.clockLeadMs) < SKEW_MS) return [];
  const whose = `The clock of the frontend at ${url}`;
  return [skewFinding(whose, view.clockLeadMs, "at least, by the dates of its answers")];
}

function skewFinding(whose: string, leadMs: number, measured: string): Finding {
  const direction = leadMs > 0 ? "ahead of" : "behind";
  const seconds = (Math.abs(leadMs) / 1000).toFixed(1);
  return trouble(
    "bad",
    "clock-skew",
    `${whose} is ${seconds} s ${direction} this one, ${measured}`,
  );
}
