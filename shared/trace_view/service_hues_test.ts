import { assertEquals } from "@std/assert/mod.js";
import { serviceHues } from "./service_hues.ts";

Deno.test("serviceHues gives Baton's services their hues whichever of them are there", () => {
  assertEquals([...serviceHues(["baton-decode", "baton-page"])], [
    ["baton-decode", 3],
    ["baton-page", 0],
  ]);
});

Deno.test("serviceHues gives others the hues that are left, and goes round when there are many", () => {
  const hues = serviceHues(["gateway", "baton-frontend", "a", "b", "c", "d", "e"]);
  assertEquals([...hues.values()], [0, 1, 2, 3, 4, 5, 0]);
});
