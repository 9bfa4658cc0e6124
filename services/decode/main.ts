/** The decode worker: KV blocks → tokens; computes prompts itself when no prefill worker is up. */
import { runWorker } from "../../shared/worker/worker.ts";

await runWorker("decode");
