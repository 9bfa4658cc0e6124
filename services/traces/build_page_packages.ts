/**
 * `deno task build-page-packages`: bundles the packages of the page to
 * `services/traces/page/packages/opentelemetry.js`. The bundler is fetched for this task only.
 */

import { fromFileUrl } from "@std/path/mod.js";
import { BUNDLE, bundleHead, ENTRY } from "./page_packages.ts";

const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
  args: ["bundle", "--quiet", "--platform", "browser", fromFileUrl(ENTRY)],
  env: { NO_COLOR: "1" },
}).output();
const decoder = new TextDecoder();
if (code !== 0) throw new Error(`Cannot bundle the page's packages: ${decoder.decode(stderr)}`);
// Names of modules are paths of this machine.
const text = decoder.decode(stdout).replace(/^\/\/ (?!@).*\n/gm, "");
await Deno.writeTextFile(BUNDLE, `${await bundleHead()}${text}`);
