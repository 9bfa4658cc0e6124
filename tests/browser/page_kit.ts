/// <reference lib="dom" />
/** A stack with its traces service and a browser that watches it: what the tests of the page share. */

import { join } from "@std/path/mod.js";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "../kit/browser.ts";
import { denoRun, Program } from "../kit/program.ts";
import { Stack } from "../kit/stack.ts";

export const MODEL = "smollm2-135m-instruct";
export const WIDTHS = [360, 1920] as const;
export const THEMES = ["light", "dark"] as const;
/** A software renderer shares the cores with the engine, and a page that is slow looks less often. */
const TIMEOUT_MS = 120_000;

export interface PageOptions {
  readonly width?: number;
  readonly theme?: typeof THEMES[number];
  /** What the browser may say on the console: it tells of every refused request. */
  readonly expects?: RegExp;
  /** Of another traces service than the stack's. */
  readonly origin?: string;
}

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
}

export class PageKit implements AsyncDisposable {
  readonly stack: Stack;
  /** Of the page and of Tempo's API. */
  readonly url: string;
  readonly #browser: Browser;
  readonly #folder: string;

  private constructor(parts: { stack: Stack; url: string; browser: Browser; folder: string }) {
    this.stack = parts.stack;
    this.url = parts.url;
    this.#browser = parts.browser;
    this.#folder = parts.folder;
  }

  static async start(browserPath: string): Promise<PageKit> {
    const folder = await Deno.makeTempDir();
    const stack = await Stack.start({
      model: MODEL,
      hasTraces: true,
      env: {
        DYN_TRACES_DB: join(folder, "traces.db"),
        DYN_LOG_DIR: join(folder, "logs"),
        OTEL_EXPORT_ENABLED: "",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "",
      },
    });
    const line = await stack.waitForOutput(/^ {2}traces +http:\S+/m);
    const url = /http:\S+/.exec(line)?.[0] ?? "";
    return new PageKit({ stack, url, folder, browser: await launchChromium(browserPath) });
  }

  /** A tab at `path`; closing it fails on console errors and on requests to elsewhere. */
  async open(
    path: string,
    { width = 1280, theme = "light", expects, origin = this.url }: PageOptions = {},
  ): Promise<OpenPage> {
    const page = await this.#browser.newPage({
      viewport: { width, height: width < 640 ? 740 : 1000 },
      colorScheme: theme,
    });
    page.setDefaultTimeout(TIMEOUT_MS);
    const problems: string[] = [];
    page.on("console", (message) => {
      const isProblem = message.type() === "error" || message.type() === "warning";
      if (isProblem && !expects?.test(message.text())) problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (request) => {
      const { origin: asked, protocol } = new URL(request.url());
      if (asked !== origin && protocol !== "data:" && protocol !== "blob:") {
        problems.push(`a request to ${request.url()}`);
      }
    });
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.goto(`${origin}/${path}`);
    return {
      page,
      async [Symbol.asyncDispose]() {
        await page.unrouteAll({ behavior: "ignoreErrors" });
        await page.close();
        if (problems.length > 0) throw new Error(`The page has problems:\n${problems.join("\n")}`);
      },
    };
  }

  /** Ids of the traces that a TraceQL query finds. */
  async find(q: string): Promise<string[]> {
    const answer = await fetch(`${this.url}/api/search?q=${encodeURIComponent(q)}`);
    const { traces }: { traces: { traceID: string }[] } = await answer.json();
    return traces.map(({ traceID }) => traceID.padStart(32, "0"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    await this.stack[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** A traces service without a store of its own, over a Tempo; its frontend is the stack's. */
export interface TempoPage extends AsyncDisposable {
  readonly url: string;
}

export async function startTempoPage(
  frontendUrl: string,
  env: Readonly<Record<string, string>>,
): Promise<TempoPage> {
  const program = new Program(denoRun("services/traces/main.ts"), {
    env: {
      DYN_TRACES_QUERY_PORT: "0",
      DYN_TRACES_FRONTEND_URL: frontendUrl,
      DYN_LOG_DIR: "off",
      DYN_LOGGING_JSONL: "1",
      ...env,
    },
  });
  const [, port] = await program.waitForErrorLine(/"query_port":(\d+)/);
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      program.signal("SIGTERM");
      await program.end();
    },
  };
}

export interface Question {
  readonly text: string;
  readonly maxTokens: number;
  /** Goes on to the most tokens, also where the model would end before. */
  readonly isEndless?: boolean;
}

/** Asks in the chat; returns before the answer ends. The same question has the same answer. */
export async function ask(page: Page, question: Question): Promise<void> {
  const { text, maxTokens, isEndless = false } = question;
  if (isEndless) {
    await page.route(
      "**/chat/completions",
      (route) =>
        route.continue({ postData: { ...route.request().postDataJSON(), ignore_eos: true } }),
    );
  } else {
    await page.unroute("**/chat/completions");
  }
  await page.locator("select[name=model] option").first().waitFor({ state: "attached" });
  const tokens = page.locator("input[name=max_tokens]");
  if (!await tokens.isVisible()) await page.getByText("Sampling").click();
  await tokens.fill(String(maxTokens));
  await page.locator("input[name=temperature]").fill("0");
  await page.getByLabel("Prompt").fill(text);
  await page.keyboard.press("Enter");
}

/** Waits until the last answer and its trace are whole; returns the trace's id. */
export async function answered(page: Page): Promise<string> {
  const answer = page.locator("article.answer").last();
  await page.locator("article.answer[data-complete]").last().waitFor();
  await page.waitForFunction(() => !document.querySelector("article.answer:not([data-complete])"));
  return await answer.getAttribute("data-trace-id") ?? "";
}
