/**
 * What libraries and the runtime say comes out as the service's own log lines, and an error that nobody
 * caught ends the process with its spans and lines delivered.
 */

import { captureOutput, captureUncaught } from "../runtime_output/captured_output.ts";
import type { Telemetry } from "../telemetry/mod.ts";

/**
 * Takes over the console and the runtime's warnings. Errors that nobody caught are logged, and end the
 * process with code 1.
 */
export function logRuntimeOutput(telemetry: Telemetry, exitTimeoutMs: number): void {
  const log = telemetry.logger("console");
  captureOutput(({ level, text, fields }) => log[level](text, fields));
  let isEnding = false;
  captureUncaught(
    ({ level, text, fields }) => telemetry.log[level](text, fields),
    async () => {
      if (isEnding) return;
      isEnding = true;
      await telemetry.shutdown("uncaught error", exitTimeoutMs);
      Deno.exit(1);
    },
  );
}
