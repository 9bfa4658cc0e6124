/** What a worker says of itself in each heartbeat. */

import { hostname } from "node:os";
import { epochMs } from "../clock/epoch_clock.ts";
import { BLOCK_TOKENS } from "../engine/backend.ts";
import type { Engine } from "../engine/engine.ts";
import type { InstanceModel, InstanceRecord } from "../messages/mod.ts";
import type { ExporterHealth } from "../telemetry/telemetry.ts";
import type { WorkerStatus } from "./status_server.ts";

export type WorkerIdentity =
  & Pick<InstanceRecord, "instanceId" | "namespace" | "role" | "startedAtMs">
  & { readonly model: Pick<InstanceModel, "name" | "cardDigest" | "contextLength"> }
  & {
    readonly status: WorkerStatus["status"];
    readonly queueLimit: number;
    readonly exporter: ExporterHealth;
  };

/** The heartbeat of now. */
export function heartbeatOf(
  engine: Engine,
  { model, status, queueLimit, exporter, ...identity }: WorkerIdentity,
): InstanceRecord {
  const { device, kv, limits } = engine.info;
  const { exportedSpans, droppedSpans, failedBatches, queuedSpans } = exporter;
  return {
    ...identity,
    host: hostname(),
    pid: Deno.pid,
    sentAtMs: epochMs(),
    // Who starts is told of when all is up; who is cut off reaches nobody.
    state: status === "starting" || status === "disconnected" ? "ready" : status,
    model: { ...model, blockTokens: BLOCK_TOKENS, blockBytes: kv.blockBytes },
    device,
    load: {
      ...engine.load,
      queueLimit,
      maxSequences: limits.maxSlices,
      maxBatchTokens: limits.maxRows,
    },
    exporter: { exportedSpans, droppedSpans, failedBatches, queuedSpans },
  };
}
