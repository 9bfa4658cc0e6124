/**
 * Without arguments prints `docs/configuration.md`; with the paths of pages prints the tables in them
 * anew.
 */

import { configurationPage, withVariableTables } from "./table.ts";

for (const path of Deno.args) {
  await Deno.writeTextFile(path, withVariableTables(await Deno.readTextFile(path)));
}
if (Deno.args.length === 0) {
  await Deno.stdout.write(new TextEncoder().encode(configurationPage()));
}
