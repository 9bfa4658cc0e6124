/** Starts the engine thread and waits until its model is loaded. */

import process from "node:process";
import { checkStepRows } from "../scheduler/limits.ts";
import { startPoolThread } from "../engine/cpu/start_pool_thread.ts";
import type { Engine, EngineOptions } from "../engine/engine.ts";
import type { CapturedOutput } from "../runtime_output/captured_output.ts";
import { CommandCounter } from "./command_counter.ts";
import { StepMark } from "./step_mark.ts";
import { ThreadEngine } from "./thread_engine.ts";
import { threadError } from "./thread_error.ts";
import type { EngineMessage, OpenRequest } from "./thread_messages.ts";

/**
 * Starts an engine in a thread of its own. Rejects with a RangeError when the options contradict each
 * other, and with the thread's own error (by name and message) when the model or the device does not
 * open.
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  checkStepRows(options);
  const { onStep, onProgress, onOutput = printOutput, ...cloneable } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Engine>();
  const worker = new Worker(new URL("./engine_thread.ts", import.meta.url), { type: "module" });
  const threads = new DisposableStack();
  threads.defer(() => worker.terminate());
  const commandCounter = new CommandCounter();
  const stepMark = new StepMark();
  let engine: ThreadEngine | null = null;

  const fail = (error: Error) => {
    if (engine !== null) return engine.end(error);
    threads.dispose();
    reject(error);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(new Error(`The engine thread failed: ${event.message}`));
  };
  worker.onmessage = ({ data: message }: MessageEvent<EngineMessage>) => {
    if (message.type === "output") return onOutput(message.output);
    if (engine !== null) return engine.receive(message);
    if (message.type === "start_thread") threads.use(startPoolThread(message.request));
    else if (message.type === "progress") onProgress?.(message.share);
    else if (message.type === "failed") fail(threadError(message));
    else if (message.type === "ready") {
      const { info, load } = message;
      engine = new ThreadEngine({
        thread: {
          postMessage: (command, transfer) => worker.postMessage(command, transfer),
          terminate: () => threads.dispose(),
        },
        commandCounter,
        stepMark,
        info,
        load,
        onStep,
      });
      resolve(engine);
    }
  };
  const request: OpenRequest = {
    options: cloneable,
    commandCount: commandCounter.buffer,
    stepMark: stepMark.buffer,
  };
  worker.postMessage(request);
  return await promise;
}

function printOutput({ text, fields }: CapturedOutput): void {
  process.emitWarning(`engine thread: ${fields.stack ?? text}`);
}
