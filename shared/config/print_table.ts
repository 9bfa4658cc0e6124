import { configurationPage } from "./table.ts";

await Deno.stdout.write(new TextEncoder().encode(configurationPage()));
