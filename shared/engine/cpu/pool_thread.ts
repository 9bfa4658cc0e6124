/** A thread of the pool: waits for launches and runs its share of each, until the pool closes. */

import { instantiateKernels } from "./kernel_module.ts";
import { CONTROL, controlWords, failPool } from "./pool_control.ts";
import type { PoolThreadMessage, PoolThreadStart } from "./start_pool_thread.ts";

/** The globals of a Worker, which the project's window types lack. */
interface ThreadScope {
  onmessage: ((event: MessageEvent<PoolThreadStart>) => void) | null;
  postMessage(message: PoolThreadMessage): void;
}

const scope = self as unknown as ThreadScope;

scope.onmessage = ({ data: { module, memory, control, thread } }) => {
  scope.onmessage = null;
  const words = controlWords(memory, control);
  try {
    const kernels = instantiateKernels(module, memory);
    let seen = Atomics.load(words, CONTROL.launches);
    scope.postMessage({ type: "ready" });
    // The pool may close before a thread of it has come.
    while (Atomics.load(words, CONTROL.isClosing) === 0) {
      seen = kernels.awaitLaunch(control, seen);
      if (Atomics.load(words, CONTROL.isClosing) !== 0) break;
      kernels.run(control, words[CONTROL.program], words[CONTROL.operations], thread);
    }
  } catch (error) {
    failPool(words);
    const reason = error instanceof Error ? error.message : String(error);
    return scope.postMessage({ type: "failed", reason });
  }
  scope.postMessage({ type: "closed" });
};
