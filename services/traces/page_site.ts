/** The page's files under a strict policy: nothing from elsewhere, no inline script or style. */

import { loadPageModules } from "./page_modules.ts";

const ROOT = new URL("../../", import.meta.url);
const ENTRY = "services/traces/page/main.ts";
const BASE = "/page/";
const STATIC: Readonly<Record<string, { readonly file: string; readonly type: string }>> = {
  "/": { file: "index.html", type: "text/html; charset=utf-8" },
  "/page/page.css": { file: "page.css", type: "text/css; charset=utf-8" },
};
const HEADERS = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; " +
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; " +
    "frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-cache",
};

/** Answers requests for the page's files; null for any other. */
export function createPageSite(): (request: Request) => Promise<Response | null> {
  let modules: Promise<ReadonlyMap<string, string>> | null = null;
  return async ({ method, url }) => {
    const { pathname } = new URL(url);
    const isFile = Object.hasOwn(STATIC, pathname);
    if (!isFile && !pathname.startsWith(BASE)) return null;
    if (method !== "GET" && method !== "HEAD") {
      return new Response("405 method not allowed", {
        status: 405,
        headers: { allow: "GET, HEAD" },
      });
    }
    if (isFile) {
      const { file, type } = STATIC[pathname];
      const bytes = await Deno.readFile(new URL(`page/${file}`, import.meta.url));
      return new Response(bytes, { headers: { ...HEADERS, "content-type": type } });
    }
    modules ??= loadPageModules({ root: ROOT, entry: ENTRY, base: BASE });
    const text = (await modules).get(pathname.slice(BASE.length));
    if (text === undefined) return new Response("404 page not found", { status: 404 });
    const type = "text/javascript; charset=utf-8";
    return new Response(text, { headers: { ...HEADERS, "content-type": type } });
  };
}
