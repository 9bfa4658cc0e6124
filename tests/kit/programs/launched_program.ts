/** Says `up` with its process id, and `launcher ended` when the command that launched it is gone. */

import { watchLauncher } from "../../../services/start/launcher_watch.ts";
import { say } from "../say.ts";

watchLauncher(Deno.env.toObject(), () => {
  say("launcher ended");
  Deno.exit(0);
});
setInterval(() => {}, 1000);
say(`up ${Deno.pid}`);
