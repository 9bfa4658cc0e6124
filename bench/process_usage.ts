/** CPU time and memory of processes, from /proc. */

/** Of /proc/<pid>/stat: USER_HZ is 100 on every Linux that Deno runs on. */
const TICK_US = 10_000;
const USER_TIME_FIELD = 11;
const SYSTEM_TIME_FIELD = 12;

/** User and system time of a process and its threads so far, microseconds. */
export async function cpuTimeUs(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  // The name before the last parenthesis may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[USER_TIME_FIELD]) + Number(fields[SYSTEM_TIME_FIELD])) * TICK_US;
}

/** Bytes; NaN where the system has no /proc. */
export interface ProcessMemory {
  readonly residentBytes: number;
  /** The most that was ever resident. */
  readonly peakBytes: number;
}

/** Memory of a process; NaN when it has ended. */
export async function memoryOf(pid: number): Promise<ProcessMemory> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  const bytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? NaN) * 1024;
  return { residentBytes: bytes("VmRSS"), peakBytes: bytes("VmHWM") };
}
