/** A worker's handler on a real bus, and what a caller does with it. */

import type { Bus, CallOptions } from "../../shared/bus/mod.ts";
import type { Engine, StepReport } from "../../shared/engine/engine.ts";
import type { Simulation } from "../../shared/engine/simulated/simulation.ts";
import { startEngine } from "../../shared/engine_thread/mod.ts";
import {
  type FakeEngineOptions,
  startFakeEngine,
} from "../../shared/engine_thread/testing/fake_engine.ts";
import {
  endpointSubject,
  type Phase,
  type Role,
  type WorkFrame,
  type WorkRequest,
} from "../../shared/messages/mod.ts";
import { shareExported } from "../../shared/process/service_bus.ts";
import { createWorkerMetrics } from "../../shared/telemetry/metrics/mod.ts";
import {
  startTelemetry,
  type Telemetry,
  type TelemetryOptions,
} from "../../shared/telemetry/mod.ts";
import { generateHandler } from "../../shared/worker/generate_handler.ts";
import { StepHistory } from "../../shared/worker/step_history.ts";
import { recordStep } from "../../shared/worker/step_spans.ts";
import type { OtlpSink } from "../kit/otlp_sink.ts";
import { telemetryTestOptions } from "../kit/telemetry_options.ts";
import { connectTestBus, NAMESPACE } from "./bus_kit.ts";
import type { NatsServer } from "./nats_server_kit.ts";

const MODEL = "fake";
const PROMPT = Array.from({ length: 37 }, (_, i) => 100 + i);

const SIMULATED_LIMITS = {
  kvCacheTokens: 4096,
  maxBatchTokens: 256,
  maxSequences: 16,
  queueLimit: 16,
} as const;

/** Of the fake engine; or `simulation`, for a simulated one in a thread of its own. */
export interface TestWorkerOptions extends FakeEngineOptions {
  readonly simulation?: Simulation;
  readonly telemetry?: Partial<TelemetryOptions>;
  readonly transferTimeoutMs?: number;
}

export interface TestWorker extends AsyncDisposable {
  readonly engine: Engine;
  readonly telemetry: Telemetry;
  readonly bus: Bus;
  readonly steps: StepHistory;
}

/** Serves `generate` as one role; the instance is named like the role. */
export async function startWorker(
  server: NatsServer,
  sink: OtlpSink,
  role: Role,
  options: TestWorkerOptions = {},
): Promise<TestWorker> {
  const { simulation, telemetry: telemetryOptions, transferTimeoutMs = 30_000, ...fake } = options;
  const bus = await connectTestBus(server);
  const telemetry = startTelemetry(
    telemetryTestOptions(sink.tracesUrl, { serviceName: role, level: 2, ...telemetryOptions }),
  );
  shareExported(bus, telemetry);
  const steps = new StepHistory();
  const backend = simulation === undefined ? "webgpu" : "simulated";
  const onStep = (report: StepReport) => {
    steps.add(report);
    recordStep(report, { telemetry, role, instanceId: role, steps, backend });
  };
  const engine = simulation === undefined
    ? startFakeEngine({ ...fake, onReport: onStep })
    : await startEngine({ ...SIMULATED_LIMITS, device: "simulated", simulation, onStep });
  bus.serve(
    role,
    "generate",
    role,
    generateHandler({
      role,
      namespace: NAMESPACE,
      instanceId: role,
      modelName: MODEL,
      bus,
      engine,
      telemetry,
      metrics: createWorkerMetrics({
        namespace: NAMESPACE,
        component: role,
        endpoint: "generate",
        workerId: role,
      }),
      steps,
      transferTimeoutMs,
    }),
  );
  return {
    engine,
    telemetry,
    bus,
    steps,
    async [Symbol.asyncDispose]() {
      await bus[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      await telemetry.shutdown("test", 1_000);
    },
  };
}

export function workRequest(phase: Phase, overrides: Partial<WorkRequest> = {}): WorkRequest {
  return {
    phase,
    requestId: "r-1",
    attempt: 1,
    model: MODEL,
    promptTokens: PROMPT,
    sampling: { temperature: 0, topK: 0, topP: 1, seed: 0 },
    maxTokens: 8,
    stopTokenIds: [],
    ...overrides,
  };
}

export async function collect(
  bus: Bus,
  role: Role,
  request: WorkRequest,
  { onFrame, ...options }: Pick<CallOptions, "headers" | "signal" | "cancelHeaders"> & {
    readonly onFrame?: (frame: WorkFrame) => void;
  } = {},
): Promise<WorkFrame[]> {
  const frames: WorkFrame[] = [];
  const subject = endpointSubject(NAMESPACE, role, "generate", role);
  for await (const { body } of bus.call<WorkFrame>(subject, request, options)) {
    frames.push(body);
    onFrame?.(body);
  }
  return frames;
}

export function tokensOf(frames: readonly WorkFrame[]): number[] {
  const tokens: number[] = [];
  for (const frame of frames) {
    if (frame.kind === "tokens") frame.ids.forEach((id, i) => tokens[frame.index + i] = id);
  }
  return tokens;
}

export function endOf(frames: readonly WorkFrame[]): Extract<WorkFrame, { kind: "end" }> {
  const last = frames.at(-1);
  if (last?.kind !== "end") throw new Error(`the last frame is ${last?.kind}`);
  return last;
}

/** For the `onFrame` of several calls: `all` resolves when so many of them were accepted. */
export function acceptances(
  count: number,
): { readonly all: Promise<void>; readonly onFrame: (frame: WorkFrame) => void } {
  const all = Promise.withResolvers<void>();
  let accepted = 0;
  const onFrame = ({ kind }: WorkFrame) => {
    if (kind === "accepted" && ++accepted === count) all.resolve();
  };
  return { all: all.promise, onFrame };
}
