/**
 * `deno run -A tests/browser/take_screenshots.ts`: writes `docs/images/`, each view of the page at both
 * widths and in both themes, from real requests.
 */

import { fromFileUrl } from "@std/path/mod.js";
import type { Page } from "playwright-core";
import { findChromium } from "../kit/browser.ts";
import { answered, ask, MODEL, PageKit, THEMES, WIDTHS } from "./page_kit.ts";

const FOLDER = fromFileUrl(new URL("../../docs/images/", import.meta.url));
const QUESTION = { text: "What is the sea? Answer briefly.", maxTokens: 48 };

async function takeAll(kit: PageKit): Promise<void> {
  await using tab = await kit.open("");
  await ask(tab.page, { text: "Say hello.", maxTokens: 4 });
  const before = await answered(tab.page);
  await ask(tab.page, { text: "Tell me a long story.", maxTokens: 300, isEndless: true });
  await answered(tab.page);
  await refused(kit);
  const others = [1, 2, 3].map((number) => asked(kit, number));
  await ask(tab.page, QUESTION);
  const after = await answered(tab.page);
  await Promise.all(others);
  const views: Readonly<Record<string, string>> = {
    chat: "",
    requests: "#/requests",
    trace: `#/trace/${after}`,
    compare: `#/compare/${before}/${after}`,
    system: "#/system",
  };
  for (const [name, address] of Object.entries(views)) {
    for (const width of WIDTHS) {
      for (const theme of THEMES) {
        await using shown = await kit.open(address, { width, theme });
        await prepare(shown.page, name);
        const path = `${FOLDER}page_${name}_${width}_${theme}.png`;
        // On a telephone it would be a strip.
        await shown.page.screenshot({ path, fullPage: name === "trace" && width > 1000 });
      }
    }
  }
}

/** A request that fails, for the list. */
async function refused(kit: PageKit): Promise<void> {
  await post(kit, { model: "no-such-model", messages: [{ role: "user", content: "?" }] });
}

/** A request that shares steps with the one that is shown. */
async function asked(kit: PageKit, number: number): Promise<void> {
  const content = `Tell me story number ${number}. ${"It is long and sad. ".repeat(number * 4)}`;
  await post(kit, { model: MODEL, messages: [{ role: "user", content }], max_tokens: number * 12 });
}

async function post({ stack }: PageKit, body: unknown): Promise<void> {
  const answer = await fetch(`${stack.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  await answer.bytes();
}

/** What a view shows last. */
const LAST_PARTS: Readonly<Record<string, readonly string[]>> = {
  requests: [".list tbody tr", ".sparkline path"],
  trace: [".neighbours td, .neighbours .hint", ".log_lines li"],
  compare: [".diff tbody tr"],
  system: [".list tbody tr", ".call_graph"],
};

/** Brings a view to where it shows what it is for. */
async function prepare(page: Page, name: string): Promise<void> {
  if (name === "chat") {
    await ask(page, QUESTION);
    await answered(page);
    const isTelephone = (page.viewportSize()?.width ?? 0) < 640;
    await page.locator(".token").nth(8).hover();
    // The settings would take half of it.
    if (isTelephone) await page.getByText("Sampling").click();
    await page.locator(isTelephone ? ".gaps" : ".question")
      .evaluate((part) => part.scrollIntoView());
    return;
  }
  for (const part of LAST_PARTS[name] ?? []) {
    await page.locator(part).first().waitFor({ state: "attached" });
  }
}

const browser = findChromium(Deno.env.toObject());
if (browser === null) {
  throw new Error("Cannot take screenshots: install Chromium, or set CHROMIUM_PATH");
}
await Deno.mkdir(FOLDER, { recursive: true });
await using kit = await PageKit.start(browser);
await takeAll(kit);
