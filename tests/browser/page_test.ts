/// <reference lib="dom" />
/** The page in a real browser, against the whole of `start`. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert/mod.js";
import type { Page } from "playwright-core";
import { findChromium } from "../kit/browser.ts";
import { eventually } from "../kit/stack.ts";
import { answered, ask, MODEL, PageKit, THEMES, WIDTHS } from "./page_kit.ts";

const BROWSER = findChromium(Deno.env.toObject());
const SERVICES = ["baton-page", "baton-frontend", "baton-prefill", "baton-decode"];

let kit: PageKit;
/** Two traces that every test may look at: one short, one several times as long. */
let shortId = "";
let longId = "";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: BROWSER === null, fn, sanitizeOps: false, sanitizeResources: false });
}

Deno.test.beforeAll(async () => {
  if (BROWSER === null) return;
  kit = await PageKit.start(BROWSER);
  await using tab = await kit.open("");
  await ask(tab.page, { text: "Say hello.", maxTokens: 2 });
  shortId = await answered(tab.page);
  await ask(tab.page, { text: "Tell me a long story.", maxTokens: 60, isEndless: true });
  longId = await answered(tab.page);
});

Deno.test.afterAll(async () => {
  if (BROWSER !== null) await kit[Symbol.asyncDispose]();
});

async function found(q: string): Promise<string[]> {
  const answer = await fetch(`${kit.url}/api/search?q=${encodeURIComponent(q)}`);
  const { traces }: { traces: { traceID: string }[] } = await answer.json();
  return traces.map(({ traceID }) => traceID.padStart(32, "0"));
}

async function rowNames(page: Page): Promise<string[]> {
  const names = await page.locator(".waterfall .row .name").allTextContents();
  return names.map((name) => name.split(" ")[0] ?? "");
}

test("chat streams an answer, and its waterfall fills in before the answer ends", async () => {
  await using tab = await kit.open("");
  const { page } = tab;
  await ask(page, { text: "Tell me about the sea.", maxTokens: 600, isEndless: true });
  await page.locator(".token").first().waitFor();
  await page.locator(".waterfall .row", { hasText: "engine.prefill" }).waitFor();
  assert(await page.getByRole("button", { name: "Stop" }).isEnabled(), "the answer had ended");
  await page.getByRole("button", { name: "Stop" }).click();
  await answered(page);
  assertMatch(await page.locator(".timings").innerText(), /^first token after .* tokens\/s/);
  assertMatch(await page.locator(".token").nth(1).getAttribute("title") ?? "", /^token 2 at .* ms/);
});

test("chat's request is one trace, from the click over all services to the last token", async () => {
  await using tab = await kit.open(`#/trace/${longId}`);
  const { page } = tab;
  await page.locator(".waterfall").waitFor();
  assertEquals(
    (await page.locator(".legend .key").allTextContents()).slice(0, SERVICES.length),
    SERVICES,
  );
  const names = await rowNames(page);
  assertEquals(names.slice(0, 2), ["chat", "http-request"]);
  for (const name of ["kv.send", "kv.receive", "engine.prefill", "engine.decode"]) {
    assert(names.includes(name), `no ${name} in ${names}`);
  }
  assertEquals(await page.locator(".note").count(), 0);
  assertStringIncludes(await page.locator(".path_list").innerText(), "engine.decode");
});

test("chat's Stop cancels the generation, and the answer so far stays", async () => {
  await using tab = await kit.open("");
  const { page } = tab;
  await ask(page, { text: "Count to one thousand.", maxTokens: 1500, isEndless: true });
  await page.locator(".token").nth(3).waitFor({ state: "attached" });
  await page.getByRole("button", { name: "Stop" }).click();
  const traceId = await answered(page);
  assertMatch(await page.locator(".timings").innerText(), /stopped$/);
  assert((await page.locator(".answer_text").innerText()).length > 0);
  const cancelled = `{ name = "engine.decode" || name = "handle_payload" } ` +
    `&& { name = "http-request" && span.request.outcome = "cancelled" }`;
  await eventually(async () => (await found(cancelled)).includes(traceId));
});

test("chat says why the frontend refuses a request", async () => {
  await using tab = await kit.open("", { expects: /status of 404/ });
  const { page } = tab;
  await page.route(
    "**/frontend/v1/models",
    (route) => route.fulfill({ json: { object: "list", data: [{ id: "no-such-model" }] } }),
  );
  await page.reload();
  await ask(page, { text: "Hello", maxTokens: 3 });
  await page.locator(".answer .notice").waitFor();
  assertStringIncludes(await page.locator(".answer .notice").innerText(), "no-such-model");
});

test("requests are filtered by duration, outcome and TraceQL, and a wrong query is told", async () => {
  await using tab = await kit.open("#/requests", { expects: /status of 400/ });
  const { page } = tab;
  const row = (traceId: string) => page.locator(`.list tbody a[title="${traceId}"]`);
  await row(shortId).waitFor();
  await row(longId).waitFor();
  await page.getByLabel("TraceQL").fill(
    `{ name = "http-request" && span.gen_ai.usage.output_tokens > 10 }`,
  );
  await page.keyboard.press("Enter");
  await row(shortId).waitFor({ state: "detached" });
  assertEquals(await row(longId).count(), 1);
  await page.getByLabel("TraceQL").fill("{ nonsense");
  await page.keyboard.press("Enter");
  await page.locator(".requests .notice").waitFor();
  assertStringIncludes(await page.locator(".requests .notice").innerText(), "TraceQL");
  await page.getByLabel("TraceQL").fill("");
  await page.getByLabel("Outcome").selectOption("success");
  await row(shortId).waitFor();
  await page.getByLabel("At least, ms").fill("3600000");
  await page.keyboard.press("Enter");
  await page.getByText("No request matches").waitFor();
});

test("requests shows the columns of each, and leads to it by the keyboard", async () => {
  await using tab = await kit.open("#/requests");
  const { page } = tab;
  const link = page.locator(`.list tbody a[title="${longId}"]`);
  await link.waitFor();
  const cells = await page.locator(".list tbody tr")
    .filter({ has: page.locator(`a[title="${longId}"]`) }).locator("td").allInnerTexts();
  assertEquals([cells[2], cells[7]], ["success 200", MODEL]);
  assertMatch(cells[6] ?? "", /^\d+ \+ \d+$/);
  assertMatch(cells[8] ?? "", /→/);
  await link.focus();
  await page.keyboard.press("Enter");
  await page.locator(".waterfall summary").first().focus();
  await page.keyboard.press("Enter");
  await page.locator("details[open] .facts").waitFor();
});

test("a trace is downloaded as one file that needs nothing else", async () => {
  await using tab = await kit.open(`#/trace/${longId}`);
  const { page } = tab;
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download as HTML" }).click(),
  ]);
  const html = await Deno.readTextFile(await download.path());
  assertStringIncludes(html, longId);
  assertStringIncludes(html, "engine.decode");
  assertEquals(/<script|src=|https?:/.test(html), false);
});

test("two requests are compared span by span", async () => {
  await using tab = await kit.open("#/requests");
  const { page } = tab;
  for (const traceId of [shortId, longId]) await page.getByLabel(`Compare ${traceId}`).check();
  await page.locator(".requests").getByRole("button", { name: "Compare" }).click();
  const row = page.locator(".diff tbody tr", { hasText: "engine.decode" });
  await row.waitFor();
  assertMatch(await row.getAttribute("class") ?? "", /grew/);
  assertMatch(await row.innerText(), /\+[\d.]+ (ms|s)/);
});

test("system shows each worker with its model and device, and the exporter", async () => {
  await using tab = await kit.open("#/system");
  const { page } = tab;
  await page.locator(".list tbody tr").nth(1).waitFor();
  const text = await page.locator("main").innerText();
  for (const word of ["healthy", "prefill", "decode", MODEL, "exported"]) {
    assertStringIncludes(text, word);
  }
});

test("what spans say is shown as text and never run", async () => {
  const evil = `<img src=x onerror="document.title='owned'"><script>alert(1)</script>`;
  const traceId = "ee".repeat(16);
  const startTimeUnixNano = `${Date.now() - 5000}000000`;
  const attribute = (key: string) => ({ key, value: { stringValue: evil } });
  const answer = await fetch(`${kit.url}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      resourceSpans: [{
        resource: { attributes: [attribute("service.name")] },
        scopeSpans: [{
          spans: [{
            traceId,
            spanId: "ab".repeat(8),
            name: evil,
            startTimeUnixNano,
            endTimeUnixNano: startTimeUnixNano,
            attributes: [attribute("a"), attribute(evil)],
            events: [{ name: evil, timeUnixNano: startTimeUnixNano }],
            status: { code: 2, message: evil },
          }],
        }],
      }],
    }),
  });
  await answer.body?.cancel();
  assertEquals(answer.status, 200);
  await using tab = await kit.open(`#/trace/${traceId}`);
  const { page } = tab;
  await page.locator(".waterfall summary").click();
  assertStringIncludes(await page.locator(".facts").innerText(), evil);
  await page.evaluate((id) => location.hash = `#/compare/${id}/${id}`, traceId);
  await page.locator(".diff").waitFor();
  assertEquals(await page.locator("main img, main script").count(), 0);
  assertMatch(await page.title(), /Baton$/);
});

test("every view fits a telephone and a wide screen, in both themes", async () => {
  for (const path of viewPaths()) {
    for (const width of WIDTHS) {
      for (const theme of THEMES) {
        await using tab = await kit.open(path, { width, theme });
        await settled(tab.page);
        const [content, color] = await tab.page.evaluate(() => [
          document.documentElement.scrollWidth,
          getComputedStyle(document.body).backgroundColor,
        ]);
        assert(Number(content) <= width, `${path} is ${content} px wide at ${width}`);
        assertEquals(color === "rgb(255, 255, 255)", theme === "light", `${path} ${theme}`);
      }
    }
  }
});

test("the theme can be chosen against the system's, and is remembered", async () => {
  await using tab = await kit.open("", { theme: "light" });
  const { page } = tab;
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.getByRole("button", { name: "Theme: system" }).click();
  assertEquals(await background(), "rgb(13, 17, 23)");
  await page.reload();
  await page.getByRole("button", { name: "Theme: dark" }).waitFor();
  assertEquals(await background(), "rgb(13, 17, 23)");
});

function viewPaths(): string[] {
  return ["", "#/requests", `#/trace/${longId}`, `#/compare/${shortId}/${longId}`, "#/system"];
}

/** Waits until a view shows what it is for. */
async function settled(page: Page): Promise<void> {
  await page.locator("select[name=model] option, .list tbody tr, .waterfall").first()
    .waitFor({ state: "attached" });
}
