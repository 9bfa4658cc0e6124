/// <reference lib="dom" />
/** The page's chat in a real browser, against the whole of `start`. */

import { assert, assertEquals, assertMatch, assertStringIncludes, fail } from "@std/assert/mod.js";
import { findChromium } from "../kit/browser.ts";
import { eventually } from "../kit/waits.ts";
import { answered, ask, PageKit } from "./page_kit.ts";

const BROWSER = findChromium(Deno.env.toObject());

let kit: PageKit;

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: BROWSER === null, fn, sanitizeOps: false, sanitizeResources: false });
}

Deno.test.beforeAll(async () => {
  if (BROWSER !== null) kit = await PageKit.start(BROWSER);
});

Deno.test.afterAll(async () => {
  if (BROWSER !== null) await kit[Symbol.asyncDispose]();
});

test("chat streams an answer, and its waterfall fills in before the answer ends", async () => {
  await using tab = await kit.open("");
  const { page } = tab;
  const stop = page.getByRole("button", { name: "Stop" });
  await ask(page, { text: "Tell me about the sea.", maxTokens: 1500, isEndless: true });
  await page.locator(".token").nth(9).waitFor({ state: "attached" });
  await page.locator(".waterfall .row", { hasText: "engine.prefill" }).waitFor();
  assert(await stop.isEnabled(), "the answer had ended");
  await stop.click();
  await answered(page);
  assertMatch(await page.locator(".timings").innerText(), /^first token after .* tokens\/s/);
  assertMatch(
    await page.locator(".token").nth(1).getAttribute("title") ?? "",
    /^token 2 at [\d.]+ (µs|ms|s), [\d.]+ (µs|ms|s) after the last/,
  );
});

test("chat tells of the tokens of an answer that was stopped what made them", async () => {
  await using tab = await kit.open("");
  const { page } = tab;
  await ask(page, { text: "Count to one thousand.", maxTokens: 1500, isEndless: true });
  await page.locator(".token").nth(3).waitFor({ state: "attached" });
  await page.getByRole("button", { name: "Stop" }).click();
  await answered(page);
  assertMatch(await page.locator(".timings").innerText(), /stopped$/);
  assertMatch(
    await page.locator(".token").nth(3).getAttribute("title") ?? "",
    /^token 4 at .* after the last, step \d+ of decode .*; on this page at/,
  );
});

test("chat tells of each token its time and the step that made it, by pointer and by keys", async () => {
  await using tab = await kit.open("");
  const { page } = tab;
  await ask(page, { text: "Count.", maxTokens: 12, isEndless: true });
  await answered(page);
  const info = page.locator(".token_info");
  const told = (token: number, worker: string) =>
    info.getByText(
      new RegExp(`^token ${token} at .* after the last, step \\d+ of ${worker}.*; on this page at`),
    ).waitFor();
  await page.locator(".token").nth(3).hover();
  await told(4, "decode");
  await page.locator(".answer_text").focus();
  await page.keyboard.press("ArrowRight");
  await told(5, "decode");
  assertMatch(await page.locator(".timings").innerText(), /At the services: .*prefill .* decode/);
});

for (const width of [360, 1280]) {
  test(`chat's Stop stays where it is while the answer grows, at ${width} px: a pointer hits it`, async () => {
    await using tab = await kit.open("", { width });
    const { page } = tab;
    const answer = page.locator("article.answer");
    const stop = page.getByRole("button", { name: "Stop" });
    await ask(page, { text: "Count to one thousand.", maxTokens: 1500, isEndless: true });
    await answer.locator(".token").first().waitFor({ state: "attached" });
    await page.locator(".settings summary").click();
    const { x, y, width: w, height: h } = await stop.boundingBox() ?? fail("Stop has no place");
    await page.mouse.move(x + w / 2, y + h / 2);
    const grown = await answer.evaluate((element) => element.clientHeight);
    await page.waitForFunction(
      (height) => (document.querySelector("article.answer")?.clientHeight ?? 0) > height + 60,
      grown,
    );
    await page.mouse.down();
    await page.mouse.up();
    const traceId = await answered(page);
    assertMatch(await page.locator(".timings").innerText(), /stopped$/);
    assert((await page.locator(".answer_text").innerText()).length > 0);
    const cancelled = `{ name = "engine.decode" || name = "handle_payload" } ` +
      `&& { name = "http-request" && span.request.outcome = "cancelled" }`;
    await eventually(async () => (await kit.find(cancelled)).includes(traceId));
  });
}

test("chat goes along with the answer, and leaves a reader who has scrolled up where they are", async () => {
  await using tab = await kit.open("", { width: 360 });
  const { page } = tab;
  const tokens = () => page.locator(".token").count();
  const more = (count: number) =>
    page.locator(".token").nth(count + 40).waitFor({ state: "attached" });
  await ask(page, { text: "Count to one thousand.", maxTokens: 1500, isEndless: true });
  await page.waitForFunction(() => scrollY > 150);
  await page.mouse.move(180, 200);
  // A reader turns the wheel on until they are there.
  while (await page.evaluate(() => scrollY) > 0) await page.mouse.wheel(0, -5000);
  await more(await tokens());
  assertEquals(await page.evaluate(() => scrollY), 0);
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  const end = await page.evaluate(() => scrollY);
  await page.waitForFunction((y) => scrollY > y, end);
  await page.keyboard.press("Escape");
  await answered(page);
  assertMatch(await page.locator(".timings").innerText(), /stopped$/);
});

test("chat stops by Escape, and not where Escape closes a list of choices", async () => {
  await using tab = await kit.open("");
  const { page } = tab;
  const stop = page.getByRole("button", { name: "Stop" });
  await ask(page, { text: "Hello.", maxTokens: 1500, isEndless: true });
  await page.locator(".token").first().waitFor({ state: "attached" });
  await page.keyboard.press("Escape");
  await answered(page);
  await page.getByLabel("Prompt").fill("Count to one thousand.");
  await page.getByRole("button", { name: "Send" }).focus();
  await page.keyboard.press("Enter");
  await page.locator(".answer").nth(1).locator(".token").first().waitFor({ state: "attached" });
  assert(await page.getByLabel("Prompt").evaluate((prompt) => prompt === document.activeElement));
  await page.locator("select[name=model]").focus();
  await page.keyboard.press("Escape");
  assert(await stop.isEnabled(), "Escape in the list of models stopped it");
  await page.getByLabel("Prompt").focus();
  await page.keyboard.press("Escape");
  await answered(page);
  assertMatch(await page.locator(".timings").nth(1).innerText(), /stopped$/);
});

test("chat is where it was when the reader comes back from another view", async () => {
  await using tab = await kit.open("", { width: 360 });
  const { page } = tab;
  await ask(page, { text: "Count.", maxTokens: 12, isEndless: true });
  await answered(page);
  // Neither a pointer nor the keyboard, which would bring the link into view first; and no frame in
  // between, as on a busy machine.
  await page.evaluate(() => {
    scrollTo(0, 200);
    document.querySelector<HTMLElement>(".answer .links a")?.click();
  });
  await page.locator(".trace .waterfall").waitFor();
  await page.goBack();
  await page.locator(".chat").waitFor();
  assertEquals(await page.evaluate(() => scrollY), 200);
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
