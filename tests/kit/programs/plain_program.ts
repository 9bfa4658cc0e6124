/**
 * A program that knows nothing of its parent. It says `up` with its process id, and `term` at
 * SIGTERM; with `hang` it does not end then, with `end` it ends by itself with code 5.
 */

import { say } from "../say.ts";

Deno.addSignalListener("SIGTERM", () => {
  say("term");
  if (!Deno.args.includes("hang")) Deno.exit(0);
});
setInterval(() => {}, 1000);
say(`up ${Deno.pid}`);
if (Deno.args.includes("end")) Deno.exit(5);
