/** The prefill worker: prompt → first token + KV blocks. */
import { runWorker } from "../../shared/worker/worker.ts";

await runWorker("prefill");
