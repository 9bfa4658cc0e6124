/**
 * A service that ends with its parent where `--exit-with-parent` is among its arguments. It says
 * `up` with its process id, and `draining` at SIGTERM; with `hang` it does not end then.
 */

import { exitWithParent } from "../../../shared/provision/parent_watch.ts";
import { say } from "../say.ts";

const DRAIN_MS = 2_000;
const DRAINED_CODE = 7;

exitWithParent({ args: Deno.args, drainTimeMs: DRAIN_MS });
setInterval(() => {}, 1000);
Deno.addSignalListener("SIGTERM", () => {
  say("draining");
  if (!Deno.args.includes("hang")) Deno.exit(DRAINED_CODE);
});
say(`up ${Deno.pid}`);
