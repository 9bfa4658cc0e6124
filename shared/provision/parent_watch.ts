/**
 * A child that ends when its parent dies, however the parent dies.
 *
 * The parent starts the child with `--exit-with-parent` and a pipe as its standard input, which it
 * never writes to. The operating system closes the pipe when the parent is gone; the child then
 * sends itself SIGTERM, so that one way of shutting down serves both, and exits at the latest when
 * its drain time is over. On Windows a signal to oneself ends the process at once: nothing drains.
 */

/** Tells a service that its standard input is the pipe of a parent to watch. */
export const PARENT_WATCH_FLAG = "--exit-with-parent";

export interface ParentWatchOptions {
  /** Arguments of this process, `Deno.args`; without the flag nothing is watched. */
  readonly args: readonly string[];
  /** Time between SIGTERM and a hard exit. */
  readonly drainTimeMs: number;
}

/** Ends this process soon after its parent did. Call once, at start. */
export function exitWithParent(options: ParentWatchOptions): void {
  if (!options.args.includes(PARENT_WATCH_FLAG)) return;
  void untilInputEnds().then(() => {
    setTimeout(() => Deno.exit(1), options.drainTimeMs);
    Deno.kill(Deno.pid, "SIGTERM");
  });
}

/** Resolves when standard input closes. */
export async function untilInputEnds(): Promise<void> {
  try {
    const reader = Deno.stdin.readable.getReader();
    while (!(await reader.read()).done);
  } catch {
    // A broken pipe says the same as its end.
  }
}
