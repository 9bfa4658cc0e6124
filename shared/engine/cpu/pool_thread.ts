/** A worker of the pool: waits for launches and runs its share of each, until the pool closes. */

import { instantiateKernels } from "./kernel_module.ts";
import {
  CONTROL,
  controlWords,
  failPool,
  type PoolThreadMessage,
  type PoolThreadStart,
} from "./thread_pool.ts";

/** The globals of a Worker, which the project's window types lack. */
interface ThreadScope {
  onmessage: ((event: MessageEvent<PoolThreadStart>) => void) | null;
  postMessage(message: PoolThreadMessage): void;
}

const scope = self as unknown as ThreadScope;

scope.onmessage = ({ data: { module, memory, control, thread } }) => {
  scope.onmessage = null;
  const words = controlWords(memory, control);
  const kernels = instantiateKernels(module, memory);
  let seen = Atomics.load(words, CONTROL.launches);
  scope.postMessage({ type: "ready" });
  try {
    while (true) {
      seen = kernels.awaitLaunch(control, seen);
      if (Atomics.load(words, CONTROL.isClosing) === 1) break;
      kernels.run(control, words[CONTROL.program], words[CONTROL.operations], thread);
    }
  } catch (error) {
    failPool(words);
    const reason = error instanceof Error ? error.message : String(error);
    return scope.postMessage({ type: "failed", reason });
  }
  scope.postMessage({ type: "closed" });
};
