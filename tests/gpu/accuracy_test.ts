import { openWebgpuBackend } from "../../shared/engine/webgpu/backend.ts";
import { assertAccurate } from "./accuracy.ts";
import { gpuTest } from "./gpu_tests.ts";

/** Beyond this the answers of SmolLM2 begin to change. */
const TOLERANCE = 0.05;

for (const name of ["stories15m", "smollm2-135m-instruct"] as const) {
  gpuTest(
    `WebGPU backend's logits with ${name} are within ${TOLERANCE} of the reference's`,
    () => assertAccurate(openWebgpuBackend, name, TOLERANCE),
  );
}
