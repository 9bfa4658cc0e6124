const encoder = new TextEncoder();

/** Writes a line to standard output, whole. */
export function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}
