import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert/mod.js";
import { createPageSite } from "./page_site.ts";

const ENTRY = "/page/services/traces/page/main.ts";
const site = createPageSite();

async function get(path: string, method = "GET"): Promise<Response> {
  const response = await site(new Request(`http://127.0.0.1:3200${path}`, { method }));
  if (response === null) throw new Error(`nothing at ${path}`);
  return response;
}

Deno.test("page site serves each module that the page imports, without types", async () => {
  const open = [ENTRY];
  const seen = new Set<string>();
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const response = await get(path);
    const text = await response.text();
    assertEquals(response.status, 200, path);
    assertMatch(response.headers.get("content-type") ?? "", /^text\/javascript/);
    assertEquals(/^(export )?(interface|type) /m.test(text), false, path);
    for (const [, specifier] of text.matchAll(/\bfrom\s*"([^"]+)"/g)) {
      open.push(new URL(specifier, `http://x${path}`).pathname);
    }
  }
  assertEquals(seen.has("/page/shared/trace_view/trace_tree.ts"), true);
});

Deno.test("page site allows nothing from elsewhere and no inline code", async () => {
  for (const path of ["/", "/page/page.css", ENTRY]) {
    const { headers, body } = await get(path);
    await body?.cancel();
    const policy = headers.get("content-security-policy") ?? "";
    assertStringIncludes(policy, "default-src 'none'");
    assertStringIncludes(policy, "frame-ancestors 'none'");
    assertEquals(/unsafe|https?:|\*/.test(policy), false);
    assertEquals(headers.get("x-content-type-options"), "nosniff");
  }
});

Deno.test("page site serves no other file of the repository", async () => {
  for (
    const path of [
      "/page/services/traces/main.ts",
      "/page/deno.json",
      "/page/..%2f..%2fdeno.json",
      "/page/services/traces/page/main_test.ts",
      "/page/",
    ]
  ) {
    const response = await get(path);
    await response.text();
    assertEquals(response.status, 404, path);
  }
  assertEquals((await get("/", "POST")).status, 405);
  assertEquals(await site(new Request("http://127.0.0.1:3200/api/search")), null);
});
