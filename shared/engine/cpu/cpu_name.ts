/** What this machine's CPU calls itself, for logs and health pages. */

import { cpus } from "node:os";

/** Such as "AMD EPYC 7B13"; the architecture where the system does not say. */
export function cpuName(): string {
  const model = cpus()[0]?.model.trim().replace(/\s+/g, " ");
  return model ? model : Deno.build.arch;
}
