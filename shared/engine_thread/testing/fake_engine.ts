/**
 * The whole engine on a fake backend, for tests: the step loop and the main thread's side talk over a
 * message channel, so messages are cloned, transferred and ordered as between threads.
 */

import { epochMs } from "../../clock/epoch_clock.ts";
import type { StepReport } from "../../engine/engine.ts";
import { CommandCounter, CommandTurns } from "../command_counter.ts";
import { StepLoop } from "../step_loop.ts";
import { StepMark } from "../step_mark.ts";
import { ThreadEngine } from "../thread_engine.ts";
import { toThreadErrorMessage } from "../thread_error.ts";
import { FakeBackend, type FakeBackendOptions } from "./fake_backend.ts";

/** Both sides share a thread here, so the loop must leave time to the other. */
const MAX_BUSY_MS = 5;

export interface FakeEngineOptions extends FakeBackendOptions {
  readonly queueLimit?: number;
  readonly onReport?: (report: StepReport) => void;
  /** Called between steps, when commands are let in. */
  readonly onTurn?: () => void;
  /** Epoch milliseconds; the real ones by default. */
  readonly now?: () => number;
}

/** Starts an engine; `maxRows` and `maxSlices` are its maxBatchTokens and maxSequences too. */
export function startFakeEngine(options: FakeEngineOptions = {}): ThreadEngine {
  const backend = new FakeBackend(options);
  const { port1: mainPort, port2: threadPort } = new MessageChannel();
  const commandCounter = new CommandCounter();
  const stepMark = new StepMark();
  const turns = new CommandTurns(commandCounter.buffer, { maxBusyMs: MAX_BUSY_MS });
  const loop = new StepLoop(backend, {
    maxBatchTokens: backend.limits.maxRows,
    maxSequences: backend.limits.maxSlices,
    queueLimit: options.queueLimit ?? 8,
    post: (report, transfer) => threadPort.postMessage(report, transfer),
    takeTurn: () => {
      options.onTurn?.();
      return turns.take();
    },
    stepMark,
    now: options.now ?? epochMs,
  });
  const engine = new ThreadEngine({
    thread: {
      postMessage: (message, transfer) => mainPort.postMessage(message, transfer),
      terminate: () => mainPort.close(),
    },
    commandCounter,
    stepMark,
    info: {
      device: backend.device,
      shape: backend.shape,
      kv: backend.kv,
      limits: backend.limits,
      loadMs: 0,
    },
    load: loop.load,
    onStep: options.onReport,
  });
  mainPort.onmessage = ({ data }) => engine.receive(data);
  threadPort.onmessage = ({ data }) => {
    turns.received();
    loop.receive(data);
  };
  loop.run().then(
    () => threadPort.postMessage({ type: "closed" }),
    (error) => threadPort.postMessage(toThreadErrorMessage(error)),
  );
  return engine;
}
