import { metricsPage } from "./metrics_page.ts";

await Deno.stdout.write(new TextEncoder().encode(metricsPage()));
