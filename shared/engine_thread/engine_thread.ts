/** The engine thread: opens the model and the device, then runs the step loop until it is closed. */

import { openGguf } from "../weights/gguf.ts";
import type { Backend, BackendOptions } from "../engine/backend.ts";
import { defaultKvCacheTokens } from "../engine/kv_layout.ts";
import { openBackend, type OpenOptions } from "../engine/open_backend.ts";
import { openSimulatedBackend } from "../engine/simulated/backend.ts";
import {
  type CapturedOutput,
  captureOutput,
  captureUncaught,
} from "../runtime_output/captured_output.ts";
import { CommandTurns } from "./command_counter.ts";
import { StepLoop } from "./step_loop.ts";
import { StepMark } from "./step_mark.ts";
import { toThreadErrorMessage } from "./thread_error.ts";
import type { EngineCommand, EngineMessage, OpenRequest } from "./thread_messages.ts";

/** The globals of a Worker, which the project's window types lack. */
interface ThreadScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: EngineMessage, transfer?: Transferable[]): void;
}

const scope = self as unknown as ThreadScope;

const postOutput = (output: CapturedOutput) => scope.postMessage({ type: "output", output });
captureOutput(postOutput);
captureUncaught(postOutput, (error) => scope.postMessage(toThreadErrorMessage(error)));

scope.onmessage = async ({ data: request }: MessageEvent<OpenRequest>) => {
  scope.onmessage = null;
  try {
    await serve(request);
    scope.postMessage({ type: "closed" });
  } catch (error) {
    scope.postMessage(toThreadErrorMessage(error));
  }
};

async function serve({ options, commandCount, stepMark }: OpenRequest): Promise<void> {
  const startMs = now();
  await using open = new AsyncDisposableStack();
  const backend = await openSource(options, open);
  const turns = new CommandTurns(commandCount);
  const loop = new StepLoop(backend, {
    maxBatchTokens: options.maxBatchTokens,
    maxSequences: options.maxSequences,
    queueLimit: options.queueLimit,
    post: (report, transfer) => scope.postMessage(report, transfer),
    takeTurn: () => turns.take(),
    stepMark: new StepMark(stepMark),
    now,
  });
  scope.onmessage = ({ data: command }: MessageEvent<EngineCommand>) => {
    turns.received();
    loop.receive(command);
  };
  const { device, shape, kv, limits } = backend;
  const info = { device, shape, kv, limits, loadMs: now() - startMs };
  scope.postMessage({ type: "ready", info, load: loop.load });
  // Said before the device closes: a lost one may never do.
  await loop.run().catch((error) => scope.postMessage(toThreadErrorMessage(error)));
}

async function openSource(
  options: OpenRequest["options"],
  open: AsyncDisposableStack,
): Promise<Backend> {
  const limitsFor = (contextLength: number): BackendOptions => ({
    kvCacheTokens: options.kvCacheTokens ?? defaultKvCacheTokens(contextLength),
    maxRows: options.maxBatchTokens,
    maxSlices: options.maxSequences,
    onProgress: (share) => scope.postMessage({ type: "progress", share }),
  });
  if (options.device === "simulated") {
    const { simulation } = options;
    return open.use(openSimulatedBackend(simulation, limitsFor(simulation.contextTokens)));
  }
  const { modelPath, device, cpuThreads } = options;
  await using file = await openGguf(modelPath, { skipTextLists: true });
  const cpu: OpenOptions["cpu"] = {
    threads: cpuThreads,
    startThread: (request) => scope.postMessage({ type: "start_thread", request }, [request.port]),
  };
  const limits = limitsFor(file.shape.contextLength);
  return open.use(await openBackend(file, { ...limits, device, cpu }));
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
