import { openCpuBackend } from "../../shared/engine/cpu/backend.ts";
import { assertAccurate } from "../gpu/accuracy.ts";

const TOLERANCE = 0.02;

for (const name of ["stories15m", "smollm2-135m-instruct"] as const) {
  Deno.test(`CPU backend's logits with ${name} are within ${TOLERANCE} of the reference's`, () =>
    assertAccurate(openCpuBackend, name, TOLERANCE));
}
