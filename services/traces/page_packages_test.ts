import { assertEquals } from "@std/assert/mod.js";
import { bundleProblem } from "./page_packages.ts";

Deno.test("the page's packages are bundled from the versions that deno.json has", async () => {
  assertEquals(await bundleProblem(), undefined);
});
