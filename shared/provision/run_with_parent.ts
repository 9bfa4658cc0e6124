/**
 * `deno run run_with_parent.ts GRACE_MS COMMAND [ARGUMENT…]`: ties a program that knows nothing of
 * its parent (nats-server) to it.
 *
 * The parent holds the other end of this wrapper's standard input. The program gets SIGTERM when
 * that closes, because the parent died however it died, or when the wrapper gets SIGTERM or SIGINT;
 * and SIGKILL when it is still there GRACE_MS later. The wrapper ends with the program's exit code.
 */

import { untilInputEnds } from "./parent_watch.ts";

async function runTied(graceMs: number, command: readonly string[]): Promise<number> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, { args, stdin: "null" }).spawn();
  let isStopping = false;
  const signal = (name: Deno.Signal) => {
    try {
      child.kill(name);
    } catch {
      // It has ended already.
    }
  };
  const stop = () => {
    if (isStopping) return;
    isStopping = true;
    signal("SIGTERM");
    setTimeout(() => signal("SIGKILL"), graceMs);
  };
  Deno.addSignalListener("SIGINT", stop);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);
  untilInputEnds().then(stop);
  return (await child.status).code;
}

if (import.meta.main) {
  const [graceMs = "", ...command] = Deno.args;
  Deno.exit(await runTied(Number(graceMs), command));
}
