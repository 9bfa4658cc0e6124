/** A command with all that it starts, as one group of processes that ends as a whole. */

const IS_WINDOWS = Deno.build.os === "windows";
const SIGNALS: readonly Deno.Signal[] = IS_WINDOWS ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];

export interface GroupOptions {
  readonly timeoutMs: number;
  /** Called when the time is over, right before the group is killed. */
  readonly onTimeout: () => void;
}

/**
 * Runs a command to its end and returns its exit code. What is left of its group is then killed, as
 * is the whole group after the time. A signal that ends this process ends the group before.
 */
export async function runGroup(
  command: readonly [string, ...string[]],
  { timeoutMs, onTimeout, ...options }: GroupOptions & Omit<Deno.CommandOptions, "args">,
): Promise<number> {
  const [program, ...args] = command;
  const leader = new Deno.Command(program, { ...options, args, detached: !IS_WINDOWS }).spawn();
  const end = () => killGroup(leader);
  const endBoth = () => {
    end();
    Deno.exit(1);
  };
  for (const signal of SIGNALS) Deno.addSignalListener(signal, endBoth);
  const timer = setTimeout(() => {
    onTimeout();
    end();
  }, timeoutMs);
  try {
    return (await leader.status).code;
  } finally {
    clearTimeout(timer);
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, endBoth);
    end();
  }
}

/** Windows has no groups: there the leader alone is killed. */
function killGroup({ pid }: Deno.ChildProcess): void {
  try {
    Deno.kill(IS_WINDOWS ? pid : -pid, "SIGKILL");
  } catch (error) {
    const isGone = error instanceof Deno.errors.NotFound || error instanceof TypeError;
    if (!isGone) throw error;
  }
}
