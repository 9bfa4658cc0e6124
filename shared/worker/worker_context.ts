/** What the handlers of a worker share. */

import type { Bus } from "../bus/mod.ts";
import type { Engine } from "../engine/engine.ts";
import type { Role } from "../messages/mod.ts";
import type { WorkerMetrics } from "../telemetry/metrics/mod.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { StepHistory } from "./step_history.ts";

export interface WorkerContext {
  readonly role: Role;
  readonly namespace: string;
  readonly instanceId: string;
  readonly modelName: string;
  readonly bus: Bus;
  readonly engine: Engine;
  readonly telemetry: Telemetry;
  readonly metrics: WorkerMetrics;
  readonly steps: StepHistory;
  /** Silence of a transfer's other end after which this end gives up. */
  readonly transferTimeoutMs: number;
}
