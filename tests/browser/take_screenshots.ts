/**
 * `deno run -A tests/browser/take_screenshots.ts`: writes `docs/images/`, each view of the page at both
 * widths and in both themes, from real requests.
 */

import { fromFileUrl } from "@std/path/mod.js";
import type { Page } from "playwright-core";
import { findChromium } from "../kit/browser.ts";
import { answered, ask, PageKit, THEMES, WIDTHS } from "./page_kit.ts";

const FOLDER = fromFileUrl(new URL("../../docs/images/", import.meta.url));
const QUESTION = { text: "What is the sea? Answer briefly.", maxTokens: 48 };

async function takeAll(kit: PageKit): Promise<void> {
  await using tab = await kit.open("");
  await ask(tab.page, { text: "Say hello.", maxTokens: 4 });
  const before = await answered(tab.page);
  await ask(tab.page, { text: "Tell me a long story.", maxTokens: 300, isEndless: true });
  await answered(tab.page);
  await refused(kit);
  await ask(tab.page, QUESTION);
  const after = await answered(tab.page);
  const views: Readonly<Record<string, string>> = {
    chat: "",
    requests: "#/requests",
    trace: `#/trace/${after}`,
    compare: `#/compare/${before}/${after}`,
    system: "#/system",
  };
  for (const [name, path] of Object.entries(views)) {
    for (const width of WIDTHS) {
      for (const theme of THEMES) {
        await using shown = await kit.open(path, { width, theme });
        await prepare(shown.page, name);
        await shown.page.screenshot({ path: `${FOLDER}page_${name}_${width}_${theme}.png` });
      }
    }
  }
}

/** A request that fails, for the list. */
async function refused({ stack }: PageKit): Promise<void> {
  const answer = await fetch(`${stack.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "no-such-model", messages: [{ role: "user", content: "?" }] }),
  });
  await answer.body?.cancel();
}

/** Brings a view to where it shows what it is for. */
async function prepare(page: Page, name: string): Promise<void> {
  if (name === "chat") {
    await ask(page, QUESTION);
    await answered(page);
    await page.getByText("Sampling").click();
    await page.locator(".answer").evaluate((answer) => answer.scrollIntoView());
    return;
  }
  await page.locator(".list tbody tr, .waterfall").first().waitFor();
}

const browser = findChromium(Deno.env.toObject());
if (browser === null) {
  throw new Error("Cannot take screenshots: install Chromium, or set CHROMIUM_PATH");
}
await Deno.mkdir(FOLDER, { recursive: true });
await using kit = await PageKit.start(browser);
await takeAll(kit);
