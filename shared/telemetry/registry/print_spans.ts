import { spansPage } from "./spans_page.ts";

await Deno.stdout.write(new TextEncoder().encode(spansPage()));
