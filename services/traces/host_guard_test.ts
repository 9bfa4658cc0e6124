import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { refuseForeignHost } from "./host_guard.ts";

function refusal(host: string, listensOn: string): Response | null {
  return refuseForeignHost(new Request("http://x/", { headers: { host } }), listensOn);
}

Deno.test("refuseForeignHost lets this machine's names pass, with any port", () => {
  for (
    const host of ["localhost:3200", "127.0.0.1:3200", "[::1]:3200", "a.localhost", "LOCALHOST"]
  ) {
    for (const listensOn of ["127.0.0.1", "localhost", "::1"]) {
      assertEquals(refusal(host, listensOn), null, `${host} at ${listensOn}`);
    }
  }
});

Deno.test("refuseForeignHost refuses a name that somebody pointed at this machine, with a sentence", async () => {
  for (const host of ["evil.example:3200", "127.0.0.1.evil.example", "localhost.evil.example"]) {
    const answer = refusal(host, "127.0.0.1");
    assertEquals(answer?.status, 403, host);
    assertStringIncludes(await answer!.text(), "DYN_TRACES_HOST");
  }
});

Deno.test("refuseForeignHost says nothing where other machines may come", () => {
  assertEquals(refusal("traces.example", "0.0.0.0"), null);
});
