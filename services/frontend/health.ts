/** What `/health` says: the frontend is healthy while a decode worker serves a model. */

import type { Bus, InstanceDirectory } from "../../shared/bus/bus.ts";
import type { InstanceExporter, InstanceRecord } from "../../shared/messages/mod.ts";
import type { Telemetry } from "../../shared/telemetry/telemetry.ts";
import type { Admission } from "./admission.ts";
import type { Health } from "./api_document.ts";
import type { ModelCatalogue } from "./models.ts";
import type { InflightRequest } from "./running_requests.ts";

export interface HealthDeps {
  readonly bus: Bus;
  readonly directory: InstanceDirectory;
  readonly catalogue: ModelCatalogue;
  readonly admission: Admission<InflightRequest>;
  readonly telemetry: Telemetry;
}

export function health(deps: HealthDeps): Health {
  const { stage } = deps.admission;
  const models = deps.catalogue.list().map(({ model }) => model.card.name);
  const instances = deps.directory.list();
  return {
    status: stage !== "ready" ? "not_ready" : models.length > 0 ? "healthy" : "no_workers",
    stage,
    models,
    endpoints: [...new Set(instances.map(endpointName))].sort(),
    instances: instances.map(describe),
    bus: { is_connected: deps.bus.isConnected },
    telemetry: describeExporter(deps.telemetry.exporter),
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
    state: instance.state,
    device: {
      backend: device.backend,
      adapter: device.adapter,
      is_software: device.isSoftware,
    },
    running: load.runningSequences,
    waiting: load.waitingSequences,
    used_blocks: load.usedBlocks,
    total_blocks: load.totalBlocks,
    telemetry: describeExporter(instance.exporter),
  };
}

function describeExporter(exporter: InstanceExporter): Health["telemetry"] {
  return {
    exported_spans: exporter.exportedSpans,
    dropped_spans: exporter.droppedSpans,
    failed_batches: exporter.failedBatches,
    queued_spans: exporter.queuedSpans,
  };
}
