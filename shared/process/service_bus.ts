/** A service's connection to the bus, with its ups and downs in the log. */

import { type Bus, type BusStatus, connectBus } from "../bus/mod.ts";
import { type ExportWord, type KeepWord, parseExportWord, parseKeepWord } from "../messages/mod.ts";
import type { Logger, Telemetry } from "../telemetry/mod.ts";
import type { ServiceContext } from "./run_service.ts";

const DEFAULT_URL = "nats://127.0.0.1:4222";
const CONNECT_TIMEOUT_MS = 15_000;

export interface ServiceBus {
  readonly bus: Bus;
  /** Rejects when the bus closed for good, so that the service must end. */
  readonly lost: Promise<never>;
}

/** Connects as `baton-<name>-<instance>`. Rejects when no server answers in time. */
export async function connectServiceBus(
  name: string,
  { settings, instanceId, telemetry }: ServiceContext,
): Promise<ServiceBus> {
  const { promise: lost, reject } = Promise.withResolvers<never>();
  // Whoever races it learns of the loss; a service that is ending already need not.
  lost.catch(() => {});
  const bus = await connectBus({
    url: settings.NATS_URL || DEFAULT_URL,
    namespace: settings.DYN_NAMESPACE,
    clientName: `baton-${name}-${instanceId}`,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    onStatus: (status) => {
      logStatus(telemetry.logger("bus"), status);
      if (status.kind !== "closed") return;
      reject(new Error(`Cannot go on: the bus closed (${status.message ?? "no reason"})`));
    },
  });
  if (settings.DYN_TRACE_KEEP_SLOWER_THAN !== undefined) shareKept(bus, telemetry);
  return { bus, lost };
}

/** A request that one process sees end slow or failed is kept by all that had a part in it. */
function shareKept(bus: Bus, telemetry: Telemetry): void {
  telemetry.onKeep((requestId) => bus.tell("keep_request", { requestId } satisfies KeepWord));
  bus.listen("keep_request", (body) => {
    const word = parseKeepWord(body);
    if (word !== null) telemetry.keep(word.requestId);
  });
}

/** Spans below those of another process leave once that has told that its own have. */
export function shareExported(bus: Bus, telemetry: Telemetry): void {
  telemetry.onParentsExported((spanIds) =>
    bus.tell("spans_exported", { spanIds } satisfies ExportWord)
  );
  bus.listen("spans_exported", (body) => {
    const word = parseExportWord(body);
    if (word !== null) telemetry.parentsExported(word.spanIds);
  });
}

function logStatus(log: Logger, status: BusStatus): void {
  const { kind, ...fields } = status;
  const isExpected = kind === "reconnected" || (kind === "closed" && status.message === undefined);
  if (isExpected) log.info(`bus ${kind}`, fields);
  else log.warn(`bus ${kind}`, fields);
}
