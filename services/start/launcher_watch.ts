/**
 * Notices that the command which started `start` was killed.
 *
 * `deno task` runs this process as its child, and npx runs `deno task` below a shell of its own. Not
 * every signal gets through: SIGKILL to any of them does not, and npm hands SIGTERM only to its shell.
 * Baton would run on without its user; instead it drains. A start without `deno task` or npm, such as
 * one that was put into the background on purpose, is not watched.
 */

const POLL_MS = 500;
/** `deno task`, npm's shell, npm. */
const MAX_LAUNCHERS = 3;

/** Calls `onEnd` once when a process that launched this one is gone. Does not keep the process alive. */
export function watchLauncher(
  env: Readonly<Record<string, string>>,
  onEnd: () => void,
): void {
  // Both `deno task` and npm set it.
  if (env.INIT_CWD === undefined) return;
  const before = launchers();
  const timer = setInterval(() => {
    if (launchers() === before) return;
    clearInterval(timer);
    onEnd();
  }, POLL_MS);
  Deno.unrefTimer(timer);
}

/** The parents up to npm, or the parent alone where npm is not among them. */
function launchers(): string {
  const pids = [Deno.ppid];
  if (Deno.build.os !== "linux") return String(pids);
  for (let pid = Deno.ppid; pids.length <= MAX_LAUNCHERS;) {
    const stat = statOf(pid);
    if (stat === null) break;
    if (stat.name.startsWith("npm ")) return String(pids);
    pid = stat.parent;
    pids.push(pid);
  }
  return String(Deno.ppid);
}

/** Name and parent of a process; null when it is gone. */
function statOf(pid: number): { name: string; parent: number } | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The name may hold anything; state and parent follow its parenthesis.
    const nameEnd = stat.lastIndexOf(")");
    const [, parent] = stat.slice(nameEnd + 2).split(" ");
    return { name: stat.slice(stat.indexOf("(") + 1, nameEnd), parent: Number(parent) };
  } catch {
    return null;
  }
}
