/** Ends with a line that still waits in a LineBatch. */

import { LineBatch } from "../../../shared/telemetry/log/line_batch.ts";
import { writeToStderr } from "../../../shared/telemetry/log/logger.ts";

new LineBatch(writeToStderr).add("last words\n");
Deno.exit(3);
