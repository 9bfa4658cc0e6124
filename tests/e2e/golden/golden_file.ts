/** The files beside this one: compared with, or written anew where the test run is told so. */

import { assertEquals } from "@std/assert/mod.js";

/** Compares `text` with `name`.txt; with `--update` after `--` on the command line it is written. */
export async function assertGolden(name: string, text: string): Promise<void> {
  const file = new URL(`${name}.txt`, import.meta.url);
  if (Deno.args.includes("--update")) return await Deno.writeTextFile(file, text);
  const expected = await Deno.readTextFile(file).catch(() => "");
  // Windows checks text files out with other line ends.
  assertEquals(text, expected.replaceAll("\r\n", "\n"), `${name}.txt`);
}
