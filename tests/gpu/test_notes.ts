/** Prints what a passing test measured or let pass, so that it can be read in the test's output. */
export function note(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`    ${text}\n`));
}
