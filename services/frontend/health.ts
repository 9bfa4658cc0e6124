/** What `/health` says: the frontend is healthy while a decode worker serves a model. */

import type { Bus, InstanceDirectory } from "../../shared/bus/bus.ts";
import type { InstanceRecord } from "../../shared/messages/mod.ts";
import type { Telemetry } from "../../shared/telemetry/telemetry.ts";
import type { Admission } from "./admission.ts";
import type { Health } from "./api_document.ts";
import type { ModelCatalogue } from "./models.ts";

export interface HealthDeps {
  readonly bus: Bus;
  readonly directory: InstanceDirectory;
  readonly catalogue: ModelCatalogue;
  readonly admission: Admission;
  readonly telemetry: Telemetry;
}

export function health(deps: HealthDeps): Health {
  const { stage } = deps.admission;
  const models = deps.catalogue.list().map(({ model }) => model.card.name);
  const instances = deps.directory.list();
  const { exportedSpans, droppedSpans, failedBatches, queuedSpans } = deps.telemetry.exporter;
  return {
    status: stage !== "ready" ? "not_ready" : models.length > 0 ? "healthy" : "no_workers",
    stage,
    models,
    endpoints: [...new Set(instances.map(endpointName))].sort(),
    instances: instances.map(describe),
    bus: { is_connected: deps.bus.isConnected },
    telemetry: {
      exported_spans: exportedSpans,
      dropped_spans: droppedSpans,
      failed_batches: failedBatches,
      queued_spans: queuedSpans,
    },
  };
}

/** Dynamo's form. */
function endpointName({ namespace, role }: InstanceRecord): string {
  return `dyn://${namespace}.${role}.generate`;
}

function describe(instance: InstanceRecord): Health["instances"][number] {
  const { device, load } = instance;
  return {
    namespace: instance.namespace,
    component: instance.role,
    endpoint: "generate",
    instance_id: instance.instanceId,
    model: instance.model.name,
    host: instance.host,
    is_draining: instance.isDraining,
    device: {
      backend: device.backend,
      adapter: device.adapter,
      is_software: device.isSoftware,
    },
    running: load.runningSequences,
    waiting: load.waitingSequences,
  };
}
