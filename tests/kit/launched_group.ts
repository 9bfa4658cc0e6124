/**
 * A program that stands for `start` in a test that kills it: a group with a service that watches
 * its parent and a wrapped program, both of which print their process id. A file of its own, so
 * that the type check sees it.
 */

import { fromFileUrl } from "@std/path/mod.js";
import { ServiceGroup } from "../../services/start/service_group.ts";

const SLEEPER = "console.log(Deno.pid); setInterval(() => {}, 1000);";
const PARENT_WATCH = new URL("../../shared/provision/parent_watch.ts", import.meta.url).href;
const WRAPPER = fromFileUrl(new URL("../../shared/provision/run_with_parent.ts", import.meta.url));

const group = new ServiceGroup({
  onLine: (_, line) => console.log(line),
  onRestart: () => {},
});
const service = `import { exitWithParent } from ${JSON.stringify(PARENT_WATCH)};
  exitWithParent({ args: ["--exit-with-parent"], drainTimeMs: 1000 }); ${SLEEPER}`;
const deno = Deno.execPath();
const common = { env: () => ({}), isReady: () => Promise.resolve(true) };
await group.startStage([
  { ...common, name: "service", command: [deno, "eval", service] },
  {
    ...common,
    name: "nats",
    command: [deno, "run", "-A", WRAPPER, "500", deno, "eval", SLEEPER],
  },
]);
