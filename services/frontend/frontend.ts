/** Builds a frontend on a bus: catalogue, router, admission and the HTTP app. */

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Bus } from "../../shared/bus/bus.ts";
import type { InstanceRecord } from "../../shared/messages/mod.ts";
import type { FleetWorker, FrontendMetrics } from "../../shared/telemetry/metrics/mod.ts";
import type { Telemetry } from "../../shared/telemetry/telemetry.ts";
import { Admission } from "./admission.ts";
import { createApp } from "./app.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { FrontendEnv } from "./inference.ts";
import { ModelCatalogue } from "./models.ts";
import type { FrontendOptions } from "./options.ts";
import type { InflightRequest } from "./running_requests.ts";
import { StuckWorkers } from "./stuck_workers.ts";
import { WorkerReturn } from "./worker_return.ts";

export interface FrontendDeps {
  readonly bus: Bus;
  readonly telemetry: Telemetry;
  readonly metrics: FrontendMetrics;
  readonly options: FrontendOptions;
  readonly version: string;
}

export interface Frontend extends Disposable {
  readonly app: OpenAPIHono<FrontendEnv>;
  readonly admission: Admission<InflightRequest>;
  readonly catalogue: ModelCatalogue;
}

export function createFrontend(deps: FrontendDeps): Frontend {
  const { bus, telemetry, metrics, options } = deps;
  const directory = bus.directory();
  const catalogue = new ModelCatalogue(bus, directory, {
    cardTimeoutMs: options.cardTimeoutMs,
    telemetry,
    onNames: (names) => metrics.setModels(names),
  });
  metrics.observe(() => ({
    exporter: telemetry.exporter,
    fleet: {
      workers: directory.list().map(fleetWorker),
      migrationLimit: options.migrationLimit,
    },
  }));
  const stuckWorkers = new StuckWorkers(directory);
  const workerReturn = new WorkerReturn(directory, options.workerReturnMs);
  const admission = new Admission<InflightRequest>(options.maxInflight);
  const app = createApp({
    ...deps,
    directory,
    dispatcher: new Dispatcher(directory, options),
    migrationLimit: options.migrationLimit,
    workerReturn,
    stuckWorkers,
    catalogue,
    admission,
  });
  return {
    app,
    admission,
    catalogue,
    [Symbol.dispose]: () => {
      stuckWorkers[Symbol.dispose]();
      workerReturn[Symbol.dispose]();
      catalogue[Symbol.dispose]();
    },
  };
}

function fleetWorker({ instanceId, role, model, load }: InstanceRecord): FleetWorker {
  return {
    workerId: instanceId,
    workerType: role,
    model: model.name,
    activeBlocks: load.usedBlocks,
    activePrefillTokens: load.pendingPromptTokens,
    totalBlocks: load.totalBlocks,
    blockTokens: model.blockTokens,
    contextLength: model.contextLength,
    maxSequences: load.maxSequences,
    maxBatchTokens: load.maxBatchTokens,
  };
}
