/** CPU time and memory of processes, on Linux. */

/** Of a clock id, beside the process: CPUCLOCK_SCHED, which counts all threads, also ended ones. */
const SCHEDULED_TIME = 2;

/** Opened where it is first asked for: other systems have no such library. */
let clockOf: ((clock: number, time: BigInt64Array<ArrayBuffer>) => number) | null = null;

function openClock(): NonNullable<typeof clockOf> {
  const { symbols } = Deno.dlopen("libc.so.6", {
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  });
  return symbols.clock_gettime;
}

/**
 * User and system time of a process and its threads so far, microseconds: by its CPU clock, since
 * /proc counts in steps of 10 ms. Throws when the process has ended.
 */
export function cpuTimeUs(pid: number): number {
  clockOf ??= openClock();
  const time = new BigInt64Array(2);
  if (clockOf((~pid << 3) | SCHEDULED_TIME, time) !== 0) {
    throw new Error(`Cannot read the CPU time of process ${pid}: it has ended`);
  }
  const [seconds = 0n, nanoseconds = 0n] = time;
  return Number(seconds) * 1e6 + Number(nanoseconds) / 1e3;
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
