/** `text(0)` to `text(count - 1)`, one a line: WGSL has no loop that is unrolled for certain. */
export function unroll(count: number, text: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => text(index)).join("\n");
}
