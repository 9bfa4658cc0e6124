/** Lets a map or set remember at most `maxSize` keys: those that were added first go. */
export function dropOldest<K>(
  remembered: { readonly size: number; keys(): Iterable<K>; delete(key: K): boolean },
  maxSize: number,
): void {
  for (const oldest of remembered.keys()) {
    if (remembered.size <= maxSize) return;
    remembered.delete(oldest);
  }
}
