/** The ids of this process's threads that run a Web Worker, as Linux has them. */
export function workerThreads(): string[] {
  return [...Deno.readDirSync("/proc/self/task")].map(({ name }) => name).filter(isWorker);
}

function isWorker(id: string): boolean {
  try {
    return Deno.readTextFileSync(`/proc/self/task/${id}/comm`).startsWith("worker-");
  } catch {
    // It has just ended.
    return false;
  }
}
