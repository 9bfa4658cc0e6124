/** Tells whoever waits what a benchmark is at, beside its report on standard output. */
export function say(sentence: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${sentence}\n`));
}
