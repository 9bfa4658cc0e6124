/// <reference lib="dom" />
/** The page in a real browser, against the whole of `start`. */

import { assert, assertEquals, assertMatch, assertStringIncludes, fail } from "@std/assert/mod.js";
import type { Locator, Page } from "playwright-core";
import { findChromium } from "../kit/browser.ts";
import { eventually } from "../kit/waits.ts";
import { FAKE_TEMPO_TRACE, startFakeTempo } from "../../services/traces/testing/fake_tempo.ts";
import { answered, ask, MODEL, PageKit, startTempoPage, THEMES, WIDTHS } from "./page_kit.ts";

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
  for (const traceId of [shortId, longId]) await stored(traceId);
});

Deno.test.afterAll(async () => {
  if (BROWSER !== null) await kit[Symbol.asyncDispose]();
});

/** Waits until the store has the spans of a request, of whichever service, and the logs tell of it. */
async function stored(traceId: string): Promise<void> {
  const names = ["http-request", "kv.send", "kv.receive", "engine.prefill", "engine.decode"];
  const spans = names.map((name) => `{ trace:id = "${traceId}" && name = "${name}" }`);
  await eventually(async () => (await kit.find(spans.join(" && "))).includes(traceId));
  await eventually(async () => {
    const { lines } = await (await fetch(`${kit.url}/logs/${traceId}`)).json();
    const services = new Set(lines.map(({ service }: { service: string }) => service));
    return ["frontend", "prefill", "decode"].every((name) => services.has(name));
  });
}

/** Of a request's body. */
type Settings = Readonly<Record<string, unknown>>;

/**
 * A request of a client with a trace of its own; resolves with its first byte. The client leaves when the
 * stream is cancelled, or let go of: a signal would be forgotten with the response.
 */
async function startChat(
  traceId: string,
  settings: Settings,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const headers = { traceparent: `00-${traceId}-${"1".repeat(16)}-01` };
  const messages = [{ role: "user", content: "Count to one hundred." }];
  const body = { model: MODEL, messages, temperature: 0, ...settings };
  const answer = await kit.stack.post("chat/completions", body, { headers });
  assertEquals(answer.status, 200);
  return answer.body ?? fail("the answer has no body");
}

/** The same, to its end. */
async function postChat(traceId: string, settings: Settings): Promise<void> {
  await new Response(await startChat(traceId, settings)).bytes();
}

async function rowNames(page: Page): Promise<string[]> {
  const names = await page.locator(".waterfall .row .name").allTextContents();
  return names.map((name) => name.split(" ")[0] ?? "");
}

test("a chat's request is one trace, from the click over all services to the last token", async () => {
  await using tab = await kit.open(`#/trace/${longId}`);
  const { page } = tab;
  await page.locator(".waterfall").waitFor();
  assertEquals(
    (await page.locator(".legend .key").allTextContents()).slice(0, SERVICES.length),
    SERVICES,
  );
  const names = await rowNames(page);
  assertEquals(names.slice(0, 2), ["chat.request", "http-request"]);
  for (const name of ["kv.send", "kv.receive", "engine.prefill", "engine.decode"]) {
    assert(names.includes(name), `no ${name} in ${names}`);
  }
  assertEquals(await page.locator(".note").count(), 0);
  assertStringIncludes(await page.locator(".path_list").innerText(), "engine.decode");
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
  await row(longId).waitFor();
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
  assertEquals([cells[3], cells[8]], ["success 200", MODEL]);
  for (const index of [2, 4, 5, 6]) assertMatch(cells[index] ?? "", /^[\d.]+ (µs|ms|s)/);
  assertMatch(cells[7] ?? "", /^\d+ \+ \d+$/);
  assertMatch(cells[9] ?? "", /→/);
  await link.focus();
  await page.keyboard.press("Enter");
  await page.locator(".waterfall summary").first().focus();
  await page.keyboard.press("Enter");
  await page.locator("details[open] .facts").waitFor();
});

test("requests leaves the keyboard where it is when a new one comes", async () => {
  await using tab = await kit.open("#/requests");
  const { page } = tab;
  const link = page.locator(`.list tbody a[title="${shortId}"]`);
  await link.focus();
  const traceId = "c3".repeat(16);
  await postChat(traceId, { max_tokens: 2 });
  await page.locator(`.list tbody a[title="${traceId}"]`).waitFor();
  assertEquals(await page.evaluate(() => document.activeElement?.getAttribute("title")), shortId);
});

test("requests shows one that runs, and its own row takes its place and the keyboard", async () => {
  await using tab = await kit.open("#/requests");
  const { page } = tab;
  const traceId = "c5".repeat(16);
  const answer = await startChat(traceId, { stream: true, max_tokens: 8000, ignore_eos: true });
  const link = `a[title="${traceId}"]`;
  const running = page.locator(".list .running tr", { has: page.locator(link) });
  const tokens = async () =>
    Number((await running.locator("td").nth(7).innerText()).split(" + ")[1]);
  await running.filter({ hasText: "running: decode" }).waitFor();
  const before = await tokens();
  await eventually(async () => await tokens() > before);
  // On a busy machine a row may be without a token for long, or the frontend without an answer.
  await eventually(async () => {
    const cells = await running.locator("td").allInnerTexts();
    return /^[\d.]+ (ms|s)$|^\d+ m \d\d s$/.test(cells[2] ?? "") &&
      cells[3] === "running: decode" && cells[8] === MODEL &&
      /^[0-9a-f]{8} → [0-9a-f]{8}$/.test(cells[9] ?? "");
  });
  await running.locator("a").focus();
  await answer.cancel();
  await page.locator(`.list tbody:not(.running) ${link}`).waitFor();
  assertEquals(await running.count(), 0);
  const focused = await page.evaluate(() => document.activeElement?.closest("tr")?.innerText ?? "");
  assertMatch(focused, /cancelled/);
  await page.keyboard.press("Enter");
  await page.locator(".waterfall").waitFor();
  assertStringIncludes(page.url(), traceId);
});

test("requests marks one that gets no token, and says where the frontend does not tell", async () => {
  await using tab = await kit.open("#/requests", { expects: /ERR_FAILED/ });
  const { page } = tab;
  const evil = "<img src=x>";
  await page.route("**/frontend/requests", (route) => {
    const times = { received_at: new Date(0).toISOString(), age_ms: 9000, last_token_age_ms: 10 };
    const requests = Array.from({ length: 25 }, (_, number) => (
      { request_id: `r${number}`, trace_id: "t", stage: "decode", model: "m", ...times }
    ));
    const silent = { request_id: "s", stage: "kv_transfer", model: evil, last_token_age_ms: 7000 };
    return route.fulfill({ json: { requests: [...requests, { ...times, ...silent }], more: 2 } });
  });
  const row = page.locator(".list .running tr.slow");
  await row.waitFor();
  assertMatch(await row.innerText(), /9\.00 s\s+running: KV transfer no token for 7\.00 s/);
  assertStringIncludes(await row.innerText(), evil);
  await page.getByText("8 more run").waitFor();
  assertEquals(await page.locator(".list .running tr").first().innerText(), await row.innerText());
  await page.getByLabel("Outcome").selectOption("success");
  await row.waitFor({ state: "detached" });
  await page.getByLabel("Outcome").selectOption("");
  await row.waitFor();
  await page.unrouteAll({ behavior: "wait" });
  await page.route("**/frontend/requests", (route) => route.abort());
  const word = page.getByText("the frontend does not tell");
  await word.waitFor();
  assertEquals(await page.locator(".list .running tr").count(), 0);
  await page.unrouteAll({ behavior: "wait" });
  await word.waitFor({ state: "detached" });
});

test("requests says so when the traces service is gone, and goes on when it is back", async () => {
  await using tab = await kit.open("#/requests", { expects: /ERR_FAILED/ });
  const { page } = tab;
  await page.locator(".list tbody tr").first().waitFor();
  await page.route("**/api/**", (route) => route.abort());
  const problem = page.getByText("Cannot reach the traces service");
  await problem.waitFor();
  // Said again with every look, it would interrupt a screen reader.
  const first = await problem.elementHandle();
  for (let looks = 0; looks < 2; looks++) await page.waitForEvent("requestfailed");
  assert(await problem.evaluate((element, first) => element === first, first));
  await page.unrouteAll({ behavior: "wait" });
  await page.locator(".list tbody tr").first().waitFor();
});

test("requests draws how they went over time, and none for what is no list of spans", async () => {
  await using tab = await kit.open("#/requests");
  const { page } = tab;
  await page.locator(".sparkline path").nth(3).waitFor({ state: "attached" });
  const words = await page.locator(".sparkline figcaption").allInnerTexts();
  assertEquals(words.map((text) => text.replace(/ [\d≈].*/, "")), [
    "Requests",
    "Errors",
    "Duration p95",
    "First token p95",
  ]);
  assertMatch(words[0] ?? "", /peak [1-9]/);
  await page.getByLabel("TraceQL").fill("{ } | count() > 2");
  await page.keyboard.press("Enter");
  await page.locator(".sparkline").first().waitFor({ state: "detached" });
  await page.reload();
  assertEquals(await page.getByLabel("TraceQL").inputValue(), "{ } | count() > 2");
});

test("a trace shows both ends of its KV transfer, its tokens over time and its logs", async () => {
  await using tab = await kit.open(`#/trace/${longId}`);
  const { page } = tab;
  const transfer = page.locator("section", { hasText: "KV transfer" }).last();
  await transfer.waitFor();
  assertMatch(await transfer.innerText(), /sender baton-prefill\s+receiver baton-decode/);
  const bytes = await transfer.locator("tr", { hasText: "bytes" }).locator("td").allInnerTexts();
  assertEquals(bytes[1], bytes[2]);
  assertMatch(bytes[1] ?? "", /^[\d,]+$/);
  const timeline = page.locator(".timeline");
  assertMatch(await timeline.innerText(), /59 tokens · between them median .* p99 /);
  assertEquals(await timeline.locator(".token_track").count(), 1);
  await page.locator(".log_lines li", { hasText: "request completed" }).first().waitFor();
  const logs = await page.locator(".logs").innerText();
  for (const service of ["frontend:", "prefill:", "decode:"]) assertStringIncludes(logs, service);
});

test("a trace that is looked at before its request was made fills in by itself", async () => {
  const traceId = "c4".repeat(16);
  await using tab = await kit.open(`#/trace/${traceId}`);
  const { page } = tab;
  await page.getByText("No span of this trace is stored").waitFor();
  await page.getByText("No service logged anything of it").waitFor();
  await postChat(traceId, { max_tokens: 2 });
  await page.locator(".waterfall .row", { hasText: "engine.decode" }).waitFor();
  // The frontend's spans may come after those of the workers.
  await page.waitForFunction(() => document.title.includes("success"));
  assertEquals(await page.title(), "POST /v1/chat/completions success 200 · Baton");
});

test("a trace keeps unfolded what is, and the keyboard where it is, when more spans come", async () => {
  await using tab = await kit.open("#/requests");
  const { page } = tab;
  await page.route("**/api/v2/traces/*", async (route) => {
    const answer = await route.fetch();
    const { trace, ...rest } = await answer.json();
    const resourceSpans = trace.resourceSpans.filter((part: unknown) =>
      JSON.stringify(part).includes("baton-prefill")
    );
    await route.fulfill({ json: { ...rest, trace: { resourceSpans } } });
  });
  await page.evaluate((id) => location.hash = `#/trace/${id}`, longId);
  const row = page.locator(".waterfall .row", { hasText: "engine.prefill" }).first();
  await row.locator("summary").focus();
  await page.keyboard.press("Enter");
  await row.locator(".facts").waitFor();
  await page.unrouteAll({ behavior: "wait" });
  await page.locator(".waterfall .row", { hasText: "engine.decode" }).first().waitFor();
  assertEquals(await page.locator(".waterfall details[open]").count(), 1);
  assert(await row.locator(".facts").isVisible());
  assert(await row.locator("summary").evaluate((summary) => summary === document.activeElement));
});

test("a trace names the requests that shared its steps", async () => {
  const [one, other] = ["c1".repeat(16), "c2".repeat(16)];
  const answer = (await startChat(one, { stream: true, max_tokens: 1500, ignore_eos: true }))
    .pipeThrough(new TextDecoderStream()).getReader();
  // The second token is the decode worker's.
  let pieces = 0;
  while (pieces < 2) {
    const { value = "", done } = await answer.read();
    assert(!done, "the answer ended");
    pieces += value.match(/"content":"[^"]/g)?.length ?? 0;
  }
  await postChat(other, { max_tokens: 10, ignore_eos: true });
  await answer.cancel();
  for (const traceId of [one, other]) await stored(traceId);
  await using tab = await kit.open(`#/trace/${one}`);
  const row = tab.page.locator(".neighbours tr", { hasText: "in engine.decode" });
  await row.locator(`a[title="${other}"]`).waitFor();
  assertMatch(await row.first().innerText(), /[1-9]\d* of \d+ in engine\.decode.*success 200/s);
});

test("a trace is copied as a command that asks the same again, without its prompt", async () => {
  await using tab = await kit.open(`#/trace/${shortId}`);
  const { page } = tab;
  // It says so for a second or two: the page itself looks at each frame.
  const copied = page.waitForFunction(() =>
    [...document.querySelectorAll("button")].some(({ textContent }) => textContent === "Copied")
  );
  await Promise.all([copied, page.getByRole("button", { name: "Copy as curl" }).click()]);
  const command = await page.evaluate(() => navigator.clipboard.readText());
  assertStringIncludes(command, `curl -N '${kit.url}/frontend/v1/chat/completions'`);
  const body = JSON.parse(/-d '(.*)'$/s.exec(command)?.[1] ?? "");
  assertEquals([body.model, body.max_tokens, body.stream], [MODEL, 2, true]);
  assertEquals(body.messages, [{ role: "user", content: "(the prompt is in no trace)" }]);
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
  await trendsDrawn(page);
  for (const traceId of [shortId, longId]) await page.getByLabel(`Compare ${traceId}`).check();
  await page.locator(".requests").getByRole("button", { name: "Compare" }).click();
  const row = page.locator(".diff tbody tr", { hasText: "engine.decode" });
  await row.waitFor();
  assertMatch(await row.getAttribute("class") ?? "", /grew/);
  assertMatch(await row.innerText(), /\+[\d.]+ (ms|s)/);
});

test("compare offers what to compare one request with", async () => {
  await using tab = await kit.open(`#/compare/${longId}`);
  const { page } = tab;
  await page.locator(`.compare .list a[title="${shortId}"]`).click();
  await page.locator(".diff tbody tr", { hasText: "engine.decode" }).waitFor();
  assertEquals(await page.getByLabel("Trace B").inputValue(), shortId);
});

test("system shows each worker with its model, device and load, and how each exports", async () => {
  await using tab = await kit.open("#/system");
  const { page } = tab;
  const table = (heading: string) =>
    page.locator("h2", { hasText: heading }).locator("xpath=following-sibling::*[1]");
  const cells = (row: Locator) => row.locator("td").allInnerTexts();
  for (const role of ["prefill", "decode"]) {
    const row = table("Instances").locator("tbody tr", { hasText: role });
    await row.waitFor();
    const [id = "", , model, , , kv, , , device] = await cells(row);
    assertMatch(id, /^[0-9a-f]{8}$/);
    assertEquals(model, MODEL);
    assertMatch(kv ?? "", /^\d+ % of [\d,]+ blocks$/);
    assertMatch(device ?? "", /^(cpu|webgpu): ./);
  }
  const shown = table("Export of spans").locator("tbody tr");
  assertEquals((await shown.allInnerTexts()).map((text) => text.split(/\s/)[0]).sort(), [
    "decode",
    "frontend",
    "prefill",
  ]);
  await eventually(async () => {
    const health = await (await fetch(`${kit.stack.url}/health`)).json();
    const rows = await shown.allInnerTexts();
    return [health, ...health.instances].every(({ telemetry: { exported_spans: exported } }) =>
      exported > 0 &&
      rows.some((row) =>
        row.includes("healthy") && row.includes(`\t${exported.toLocaleString("en")}\t`)
      )
    );
  });
});

test("system draws who calls whom, with rates, and how each service does", async () => {
  await using tab = await kit.open("#/system");
  const { page } = tab;
  await page.locator(".call_graph").waitFor();
  const words = await page.locator(".call_graph").getAttribute("aria-label") ?? "";
  for (
    const [from, to] of [
      ["page", "frontend"],
      ["frontend", "prefill"],
      ["frontend", "decode"],
      ["prefill", "decode"],
    ]
  ) {
    assertMatch(
      words,
      new RegExp(`baton-${from} calls baton-${to}: [\\d.]+/(s|min), p95 ≈ [\\d.]+ `),
    );
  }
  const services = await page.locator(".calls .list tbody tr").allInnerTexts();
  assertEquals(services.map((text) => text.split(/\s/)[0]), [...SERVICES].sort());
});

test("the page shows a Tempo's traces in the same views, and leaves out with a word what it lacks", async () => {
  await using tempo = startFakeTempo();
  const authorization = encodeURIComponent(tempo.headers.authorization);
  await using service = await startTempoPage(kit.stack.url, {
    TEMPO_QUERY_URL: tempo.url,
    TEMPO_QUERY_HEADERS: `authorization=${authorization}`,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: tempo.url.replace("/tempo", "/otlp/v1/traces"),
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=${authorization}`,
  });
  const expects = /status of 400/;
  await using tab = await kit.open("#/requests", { origin: service.url, expects });
  const { page } = tab;
  const runningId = "c6".repeat(16);
  const answer = await startChat(runningId, { stream: true, max_tokens: 8000, ignore_eos: true });
  const running = page.locator(".running tr", { has: page.locator(`a[title="${runningId}"]`) });
  await running.filter({ hasText: "running: decode" }).waitFor();
  await answer.cancel();
  // The made-up Tempo never has its trace.
  await running.filter({ hasText: "ended" }).waitFor();
  await trendsDrawn(page);
  await page.locator(`.list tbody a[title="${FAKE_TEMPO_TRACE}"]`).click();
  await page.locator(".waterfall").waitFor();
  assertStringIncludes(await page.locator(".waterfall").innerText(), "POST /v1/chat/completions");
  await page.locator(".logs", { hasText: "DYN_LOG_DIR" }).waitFor();
  await page.getByRole("link", { name: "System" }).click();
  await page.getByText("cannot tell who calls whom").waitFor();
  assertStringIncludes(await page.locator(".calls").innerText(), "prefill");
  await page.getByRole("link", { name: "Chat" }).click();
  await ask(page, { text: "Hello", maxTokens: 2 });
  await eventually(() => JSON.stringify(tempo.spans).includes("chat.request"));
});

test("what spans say is shown as text and never run", async () => {
  const evil = `<img src=x onerror="document.title='owned'"><script>alert(1)</script>`;
  const traceId = "ee".repeat(16);
  const startTimeUnixNano = `${Date.now() - 5000}000000`;
  const endTimeUnixNano = `${Date.now() - 4000}000000`;
  const attribute = (key: string) => ({ key, value: { stringValue: evil } });
  const number = (key: string, intValue: number) => ({ key, value: { intValue } });
  const span = (spanId: string, name: string) => ({
    traceId,
    spanId: spanId.repeat(8),
    name,
    kind: 2,
    startTimeUnixNano,
    endTimeUnixNano,
    status: { code: 2, message: evil },
  });
  const answer = await fetch(`${kit.url}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      resourceSpans: [{
        resource: { attributes: [attribute("service.name"), attribute("service.instance.id")] },
        scopeSpans: [{
          spans: [
            {
              ...span("ab", evil),
              attributes: [attribute("a"), attribute(evil)],
              events: [{ name: evil, timeUnixNano: startTimeUnixNano }],
            },
            {
              ...span("cd", "engine.decode"),
              parentSpanId: "ab".repeat(8),
              attributes: [number("engine.first_step", 1), number("engine.last_step", 2)],
              events: [{
                name: "itl.gap",
                timeUnixNano: startTimeUnixNano,
                attributes: [attribute("cause"), attribute("other.trace_id"), number("gap_ms", 1)],
              }],
            },
          ],
        }],
      }],
    }),
  });
  await answer.body?.cancel();
  assertEquals(answer.status, 200);
  await using tab = await kit.open(`#/trace/${traceId}`);
  const { page } = tab;
  await page.locator(".waterfall summary").first().click();
  assertStringIncludes(await page.locator(".facts").first().innerText(), evil);
  assertStringIncludes(await page.locator(".trace ul.notice").innerText(), evil);
  assertStringIncludes(await page.locator(".timeline .list").innerText(), evil);
  await page.getByText("It had all its steps to itself").waitFor();
  // The name is on the critical path, which screen readers are told behind it.
  assert(await page.locator(".waterfall .unseen").count() > 0);
  await page.setViewportSize({ width: 360, height: 740 });
  assertEquals(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  await page.evaluate((id) => location.hash = `#/compare/${id}/${id}`, traceId);
  await page.locator(".diff").waitFor();
  await page.evaluate(() => location.hash = "#/system");
  await page.locator(".call_graph").waitFor();
  assertStringIncludes(await page.locator(".calls").innerText(), evil);
  assertEquals(await page.locator("main img, main script").count(), 0);
  assertMatch(await page.title(), /Baton$/);
});

const VIEW_PATHS: Readonly<Record<string, () => string>> = {
  chat: () => "",
  requests: () => "#/requests",
  trace: () => `#/trace/${longId}`,
  compare: () => `#/compare/${shortId}/${longId}`,
  system: () => "#/system",
};

for (const [name, pathOf] of Object.entries(VIEW_PATHS)) {
  test(`the view ${name} fits a telephone and a wide screen, in both themes`, async () => {
    const path = pathOf();
    for (const width of WIDTHS) {
      await using tab = await kit.open(path, { width });
      await settled(tab.page);
      for (const theme of THEMES) {
        await tab.page.emulateMedia({ colorScheme: theme });
        const [content, color] = await tab.page.evaluate(() => [
          document.documentElement.scrollWidth,
          getComputedStyle(document.body).backgroundColor,
        ]);
        assert(Number(content) <= width, `${path} is ${content} px wide at ${width}`);
        assertEquals(color === "rgb(255, 255, 255)", theme === "light", `${path} ${theme}`);
      }
    }
  });
}

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

/** Waits until what stands above the list of requests is there: a pointer hits what no longer moves. */
async function trendsDrawn(page: Page): Promise<void> {
  await page.locator(".trends > *").nth(3).waitFor({ state: "attached" });
}

/** Waits until a view shows what it is for. */
async function settled(page: Page): Promise<void> {
  await page.locator("select[name=model] option, .list tbody tr, .waterfall").first()
    .waitFor({ state: "attached" });
}
