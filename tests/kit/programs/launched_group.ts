/**
 * Stands for `start` in a test that kills it: a group with a service that watches its parent and a
 * wrapped program, both of which say `up` with their process id.
 */

import { ServiceGroup } from "../../../services/start/service_group.ts";
import { PARENT_WATCH_FLAG } from "../../../shared/provision/parent_watch.ts";
import { denoRun } from "../program.ts";
import { say } from "../say.ts";

const group = new ServiceGroup({
  onLine: (_, line) => say(line),
  onRestart: () => {},
});
const common = { env: () => ({}), isReady: () => Promise.resolve(true) };
await group.startStage([
  {
    ...common,
    name: "service",
    command: denoRun("tests/kit/programs/watched_service.ts", PARENT_WATCH_FLAG),
  },
  {
    ...common,
    name: "nats",
    command: denoRun(
      "shared/provision/run_with_parent.ts",
      "500",
      ...denoRun("tests/kit/programs/plain_program.ts"),
    ),
  },
]);
