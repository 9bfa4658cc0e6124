import { troubleshootingPage } from "./troubleshooting_page.ts";

await Deno.stdout.write(new TextEncoder().encode(troubleshootingPage()));
