import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { refuseForeign } from "./host_guard.ts";

function refusal(host: string, listensOn: string): Response | null {
  return refuseForeign(new Request("http://x/", { headers: { host } }), listensOn);
}

Deno.test("refuseForeign lets this machine's names pass, with any port", () => {
  for (
    const host of ["localhost:3200", "127.0.0.1:3200", "[::1]:3200", "a.localhost", "LOCALHOST"]
  ) {
    for (const listensOn of ["127.0.0.1", "localhost", "::1"]) {
      assertEquals(refusal(host, listensOn), null, `${host} at ${listensOn}`);
    }
  }
});

Deno.test("refuseForeign refuses a name that somebody pointed at this machine, with a sentence", async () => {
  for (const host of ["evil.example:3200", "127.0.0.1.evil.example", "localhost.evil.example"]) {
    const answer = refusal(host, "127.0.0.1");
    assertEquals(answer?.status, 403, host);
    assertStringIncludes(await answer!.text(), "DYN_TRACES_HOST");
  }
});

Deno.test("refuseForeign says nothing where other machines may come", () => {
  assertEquals(refusal("traces.example", "0.0.0.0"), null);
});

Deno.test("refuseForeign refuses what another site's page asks, and not a link that a reader follows", () => {
  const refused = (init: RequestInit) =>
    refuseForeign(new Request("http://127.0.0.1/", init), "0.0.0.0") !== null;
  const from = (site: string, mode = "cors") => ({
    "sec-fetch-site": site,
    "sec-fetch-mode": mode,
  });
  for (const site of ["cross-site", "same-site"]) {
    assertEquals(refused({ headers: from(site) }), true, site);
    assertEquals(refused({ headers: from(site, "navigate") }), false, site);
    assertEquals(refused({ headers: from(site, "navigate"), method: "POST" }), true, site);
  }
  for (const site of ["same-origin", "none"]) {
    assertEquals(refused({ headers: from(site), method: "POST" }), false, site);
  }
  assertEquals(refused({ method: "POST" }), false, "no browser");
});
