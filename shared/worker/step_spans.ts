/**
 * `engine.step` spans: what the engine did in each step that a request of level 3 was in.
 *
 * A step belongs to several requests, so it is a trace of its own, with a link to each of them that is
 * recorded at level 3. It is exported when one of them is: where none is sampled it waits, within
 * bounds of its own, for the word that one is kept.
 */

import type { DeviceInfo, PassTime } from "../engine/backend.ts";
import type { StepReport } from "../engine/engine.ts";
import type { Role } from "../messages/mod.ts";
import type { ActiveSpan, Telemetry } from "../telemetry/telemetry.ts";
import type { StepHistory } from "./step_history.ts";

const STEP_LEVEL = 3;

const DEVICES = {
  webgpu: "gpu",
  cpu: "cpu",
  simulated: "simulated",
} as const satisfies Record<DeviceInfo["backend"], string>;

export interface StepSpansOptions {
  readonly telemetry: Telemetry;
  readonly role: Role;
  readonly instanceId: string;
  readonly backend: DeviceInfo["backend"];
  readonly steps: StepHistory;
}

/** Whether steps of the request are to be spans, and its device passes to be timed. */
export function wantsStepSpans(request: ActiveSpan<"handle_payload">): boolean {
  return request.level >= STEP_LEVEL && (request.isSampled || request.mayBeKept);
}

/** Records a step where a request in it wants that. */
export function recordStep(
  report: StepReport,
  { telemetry, role, instanceId, backend, steps }: StepSpansOptions,
): void {
  const requests: ActiveSpan[] = [];
  for (const { sequenceId } of report.members) {
    const span = steps.requestOf(sequenceId)?.span;
    if (span !== undefined && wantsStepSpans(span)) requests.push(span);
  }
  if (requests.length === 0) return;
  const step = telemetry.rootSpan("engine_step", {
    startMs: report.startMs,
    asked: { by: requests, level: STEP_LEVEL },
    links: requests.map(({ traceId, spanId }) => ({ traceId, spanId })),
    attributes: {
      component: role,
      instance_id: instanceId,
      "engine.backend": backend,
      "engine.step": report.step,
      "batch.sequences": report.members.length,
      "batch.prefill_rows": report.prefillRows,
      "batch.decode_rows": report.decodeRows,
      ...(report.deviceMs === undefined ? {} : { device_ms: report.deviceMs }),
    },
  });
  for (const pass of report.passes ?? []) recordPass(step, { pass, report, backend });
  step.end(report.endMs);
}

/** Where in the step the device began is not known: passes are placed as if at its start. */
function recordPass(
  step: ActiveSpan<"engine_step">,
  { pass, report, backend }: {
    pass: PassTime;
    report: StepReport;
    backend: DeviceInfo["backend"];
  },
): void {
  const startMs = Math.min(report.startMs + pass.startMs, report.endMs);
  const endMs = Math.min(startMs + pass.durationMs, report.endMs);
  const span = step.child(`${DEVICES[backend]}_${pass.name}`, { startMs });
  if (isLayers(span)) {
    const { linear, attention, other } = pass.kinds;
    span.set({ linear_ms: linear, attention_ms: attention, other_ms: other });
  }
  span.end(endMs);
}

function isLayers(
  span: ActiveSpan,
): span is ActiveSpan<"gpu_layers"> | ActiveSpan<"cpu_layers"> | ActiveSpan<"simulated_layers"> {
  return span.role.endsWith("_layers");
}
