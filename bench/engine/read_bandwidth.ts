/** What the CPU can read: the floor that decode on it is compared with. */

const TURNS = 5;

/** Bytes a second that all cores read together from memory; the best of several turns. */
export async function readBandwidth(): Promise<number> {
  const workers = Array.from({ length: navigator.hardwareConcurrency }, () => {
    const url = new URL("./read_bandwidth_worker.ts", import.meta.url);
    return new Worker(url, { type: "module" });
  });
  try {
    await Promise.all(workers.map(answer));
    let best = 0;
    for (let turn = 0; turn < TURNS; turn++) {
      const rates = Promise.all(workers.map(answer));
      for (const worker of workers) worker.postMessage("read");
      best = Math.max(best, (await rates).reduce((sum, rate) => sum + rate, 0));
    }
    return best;
  } finally {
    for (const worker of workers) worker.terminate();
  }
}

function answer(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(`Cannot measure the memory: ${message}`));
  });
}
