/** `deno task start` and `deno task doctor`; see `--help`. */
import { main } from "./start/main.ts";

Deno.exit(await main(Deno.args, Deno.env.toObject()));
