/** Memory of the machine, for backends whose device memory is the host's. */

const MIB = 2 ** 20;

/** Free memory of the machine; undefined where this process may not ask. */
export function availableMemoryBytes(): number | undefined {
  try {
    return Deno.systemMemoryInfo().available;
  } catch {
    // Without --allow-sys the check is left to the allocation itself.
    return undefined;
  }
}

/** Whole mebibytes for messages, rounded up. */
export function mib(bytes: number): string {
  return `${Math.ceil(bytes / MIB)} MiB`;
}
