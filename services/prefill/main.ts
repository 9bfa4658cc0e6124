/** The prefill worker: prompt → first token + KV blocks. */
import { runWorker } from "../../shared/worker/main.ts";

await runWorker("prefill");
