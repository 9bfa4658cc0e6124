/**
 * No output has what clients write or are answered: not the text, not its token ids, not a secret that
 * came with a request. Everything that a whole deployment gives out is searched, at the highest level of
 * detail, after requests of every kind: served, refused, cut short, and lost to a failing engine.
 */

import { assert, assertArrayIncludes, assertEquals } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { Svcm } from "@nats-io/services";
import { openNatsConnection } from "../../shared/bus/nats_connection.ts";
import { simulatedModel } from "../../shared/engine/simulated/simulated_model.ts";
import { testSimulation } from "../../shared/engine/simulated/testing/test_simulation.ts";
import { createTokenizer, tokenizerDataFromGguf } from "../../shared/tokenizer/mod.ts";
import { denoRun, runProgram } from "../kit/program.ts";
import { Stack } from "../kit/stack.ts";
import { eventually } from "../kit/waits.ts";

const TRACE = "services/trace/main.ts";
const START = "services/start.ts";
/** Long enough that no two texts share it by chance. */
const PIECE_CHARACTERS = 16;
const PIECE_TOKENS = 5;

/** Words that stand nowhere else. */
const PROMPT = "prompt3f9ad20c71be";
const STOP = "stop85c6e10fd7a4";
const SECRETS = { header: "sk-proj-b1720e9f64dc", query: "key0d4be8a5937f" };
/** The step of each worker that its engine fails. */
const FAILING_STEP = 400;

const folder = await Deno.makeTempDir();
const logFolder = join(folder, "logs");
const database = join(folder, "traces.db");
let stack: Stack;
/** All that went to clients as generated text. */
const answers: string[] = [];
const traceIds: string[] = [];

Deno.test.beforeAll(async () => {
  stack = await Stack.start({
    hasTraces: true,
    env: {
      DYN_ENGINE: "simulated",
      DYN_SIM_STEP_US: "1000",
      DYN_SIM_ANSWER_TOKENS: "0",
      DYN_SIM_FAULTS: `fail@${FAILING_STEP}`,
      // The request that meets it fails with it.
      DYN_MIGRATION_LIMIT: "0",
      DYN_TRACE_LEVEL: "3",
      DYN_LOG: "trace",
      DYN_LOGGING_SPAN_EVENTS: "1",
      DYN_LOG_DIR: logFolder,
      DYN_TRACES_DB: database,
    },
  });
});

Deno.test.afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

async function ask(
  path: "chat/completions" | "completions",
  body: unknown,
): Promise<{ readonly status: number; readonly text: string }> {
  const response = await stack.post(`${path}?api_key=${SECRETS.query}`, body, {
    headers: { authorization: `Bearer ${SECRETS.header}`, cookie: `session=${SECRETS.header}` },
  });
  traceIds.push(response.headers.get("traceparent")?.split("-")[1] ?? "");
  return { status: response.status, text: await response.text() };
}

function chat(more: Readonly<Record<string, unknown>> = {}) {
  return {
    model: "simulated",
    messages: [
      { role: "system", content: `You are ${PROMPT}.` },
      { role: "user", content: `Say ${PROMPT} to ${PROMPT}` },
    ],
    max_tokens: 60,
    temperature: 0,
    stop: [STOP],
    ...more,
  };
}

function streamedText(events: string): string {
  return [...events.matchAll(/^data: (\{.*)$/gm)].map(([, data = ""]) => {
    const [choice] = JSON.parse(data).choices ?? [];
    return choice?.delta?.content ?? choice?.text ?? "";
  }).join("");
}

async function makeRequests(): Promise<void> {
  const streamed = await ask("chat/completions", chat({ stream: true }));
  answers.push(streamedText(streamed.text));
  const whole = await ask("chat/completions", chat({ temperature: 1, seed: 3 }));
  answers.push(JSON.parse(whole.text).choices[0].message.content);
  const completion = {
    model: "simulated",
    prompt: `Tell ${PROMPT}`,
    max_tokens: 60,
    temperature: 0,
  };
  const completed = await ask("completions", completion);
  answers.push(JSON.parse(completed.text).choices[0].text);

  const refused = [
    await ask("chat/completions", `{"messages": [{"role": "user", "content": "${PROMPT}`),
    await ask("chat/completions", `${PROMPT}`),
    await ask("chat/completions", chat({ messages: PROMPT })),
    await ask("chat/completions", chat({ messages: [{ role: PROMPT, content: PROMPT }] })),
    await ask("chat/completions", chat({ messages: [{ role: "user", content: { PROMPT } }] })),
    await ask("chat/completions", chat({ stop: { [STOP]: STOP } })),
    await ask("completions", { ...completion, prompt: `${PROMPT} `.repeat(2000) }),
    await ask("completions", { ...completion, suffix: PROMPT }),
  ];
  assertEquals(refused.map(({ status }) => status), refused.map(() => 400));

  // Also where it is not left before its end, the failing step is one of the next request.
  const long = { ...completion, max_tokens: 200, stream: true };
  const response = await stack.post("completions", long);
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();

  const failed = await ask("completions", { ...completion, max_tokens: FAILING_STEP + 10 });
  assert(failed.status >= 500, failed.text);
}

Deno.test("no output has a prompt, an answer, a token id or a client's secret", async () => {
  await makeRequests();
  await stack.waitForLog((line) =>
    String(line.error_detail ?? line.message).includes("Cannot run step")
  );
  // The worker whose engine failed comes back, with metrics and a log that go on.
  for (const { url } of stack.workers) await eventually(() => isHealthy(url));
  const lastId = traceIds.at(-1) ?? "";
  await stack.sink.waitForTrace(lastId, (all) => all.some(({ name }) => name === "http-request"));

  const outputs = await collectOutputs(lastId);
  const found = outputs.flatMap(({ name, text }) =>
    needles().filter(({ pattern }) => pattern.test(text)).map(({ what }) => `${name}: ${what}`)
  );
  assertEquals(found, []);
  assertSaysSomething(outputs, lastId);
});

async function isHealthy(url: string): Promise<boolean> {
  const response = await fetch(`${url}/health`).catch(() => null);
  await response?.body?.cancel();
  return response?.status === 200;
}

interface Output {
  readonly name: string;
  readonly text: string;
}

interface Needle {
  readonly what: string;
  readonly pattern: RegExp;
}

function needles(): Needle[] {
  const tokenizer = createTokenizer(
    tokenizerDataFromGguf(simulatedModel(testSimulation()).metadata),
  );
  const words = { PROMPT, STOP, "header secret": SECRETS.header, "query secret": SECRETS.query };
  const literal = Object.entries(words).flatMap(([what, word]) => [
    { what, pattern: new RegExp(RegExp.escape(word)) },
    { what: `${what} in base64`, pattern: new RegExp(RegExp.escape(btoa(word).slice(2, -4))) },
  ]);
  const texts = [`You are ${PROMPT}.`, ...answers];
  const pieces = answers.flatMap((text) => {
    const count = Math.floor(text.length / PIECE_CHARACTERS);
    assert(count > 2, `an answer of ${text.length} characters`);
    return Array.from({ length: count }, (_, at) => ({
      what: "an answer's text",
      pattern: new RegExp(RegExp.escape(text.substr(at * PIECE_CHARACTERS, PIECE_CHARACTERS))),
    }));
  });
  const ids = texts.flatMap((text) => {
    const tokens: number[] = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
    const at = Math.floor(tokens.length / 2);
    const piece = tokens.slice(at, at + PIECE_TOKENS);
    assertEquals(piece.length, PIECE_TOKENS);
    return [{ what: "token ids", pattern: new RegExp(`\\b${piece.join("\\D{1,4}")}\\b`) }];
  });
  return [...literal, ...pieces, ...ids];
}

async function collectOutputs(traceId: string): Promise<Output[]> {
  const line = await stack.waitForOutput(/^ {2}traces +http:\S+ .*OTLP at http:\S+$/m);
  const [queryUrl = "", otlpUrl = ""] = line.match(/http:[^\s,]+/g) ?? [];
  const bodies = stack.sink.exports();
  for (const { body } of bodies) {
    const url = new URL("/v1/traces", otlpUrl);
    const headers = { "content-type": "application/x-protobuf" };
    const stored = await fetch(url, { method: "POST", headers, body });
    assertEquals([stored.status, await stored.body?.cancel()], [200, undefined]);
  }
  const outputs: Output[] = [
    { name: "stdout", text: stack.output },
    { name: "stderr", text: stack.errorLines.join("\n") },
    ...bodies.map(({ body }, at) => ({ name: `OTLP body ${at}`, text: bytesText(body) })),
    ...await filesOf(logFolder),
    ...await pages(queryUrl),
    ...await natsAnswers(),
    ...await commandOutputs(traceId, queryUrl),
  ];
  for (const suffix of ["", "-wal"]) {
    outputs.push({
      name: `trace store${suffix}`,
      text: bytesText(await Deno.readFile(database + suffix)),
    });
  }
  return outputs;
}

/** Bytes as characters: text that is ASCII reads the same. */
function bytesText(bytes: Uint8Array<ArrayBuffer>): string {
  return new TextDecoder("latin1").decode(bytes);
}

async function filesOf(folder: string): Promise<Output[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return await Promise.all(entries.map(async ({ name }) => ({
    name: `log file ${name}`,
    text: await Deno.readTextFile(join(folder, name)),
  })));
}

async function pages(queryUrl: string): Promise<Output[]> {
  const urls = [
    ...[stack.url, ...stack.workers.map(({ url }) => url)].flatMap((url) =>
      ["/health", "/live", "/metrics"].map((path) => url + path)
    ),
    `${stack.url}/v1/models`,
    ...traceIds.map((id) => `${queryUrl}/api/traces/${id}`),
    ...traceIds.map((id) => `${queryUrl}/api/v2/traces/${id}`),
    `${queryUrl}/api/search?limit=1000&q=${encodeURIComponent("{} | select(event:name)")}`,
    `${queryUrl}/api/v2/search/tags`,
  ];
  const accept = "application/openmetrics-text, application/json;q=0.9, */*;q=0.5";
  return await Promise.all(urls.map(async (url) => {
    const response = await fetch(url, { headers: { accept } });
    return { name: new URL(url).pathname, text: await response.text() };
  }));
}

async function natsAnswers(): Promise<Output[]> {
  const connection = await openNatsConnection({
    url: stack.natsUrl,
    clientName: "test",
    connectTimeoutMs: 30_000,
  });
  try {
    const client = new Svcm(connection).client({ strategy: "stall", maxWait: 30_000 });
    const [infos, stats] = await Promise.all([
      Array.fromAsync(await client.info()),
      Array.fromAsync(await client.stats()),
    ]);
    return [
      { name: "NATS service info", text: JSON.stringify(infos) },
      { name: "NATS service stats", text: JSON.stringify(stats) },
    ];
  } finally {
    await connection.close();
  }
}

async function commandOutputs(traceId: string, queryUrl: string): Promise<Output[]> {
  const html = join(folder, "trace.html");
  const doctor = ["doctor", "--frontend", stack.url, "--tempo", queryUrl];
  const commands: readonly (readonly [string, ...string[]])[] = [
    [TRACE, traceId, "--logs", logFolder],
    [TRACE, traceId, "--logs", logFolder, "--json"],
    [TRACE, traceId, "--logs", logFolder, "--html", html],
    [TRACE, traceId, "--tempo", queryUrl],
    [TRACE, "diff", traceIds[0] ?? "", traceIds[1] ?? "", "--logs", logFolder],
    [START, ...doctor],
    [START, ...doctor, "--json"],
    [START, "doctor", "--dump"],
  ];
  const outputs: Output[] = [];
  for (const command of commands) {
    const { output, errors } = await runProgram(denoRun(...command), {
      env: { DYN_ENGINE: "simulated", NATS_URL: stack.natsUrl },
    });
    const name = command.map((arg) => arg.split("/").at(-1)).join(" ");
    outputs.push({ name, text: output + errors });
  }
  return [...outputs, { name: "trace.html", text: await Deno.readTextFile(html) }];
}

/** The search looked at what it was meant to look at. */
function assertSaysSomething(outputs: readonly Output[], traceId: string): void {
  assertEquals(outputs.filter(({ text }) => text.trim() === "").map(({ name }) => name), []);
  const telling = outputs.filter(({ text }) => text.includes(traceId)).map(({ name }) => name);
  assertArrayIncludes(telling, [
    "stderr",
    "log file frontend.jsonl",
    "log file decode.jsonl",
    `main.ts ${traceId} --logs logs --json`,
    "trace.html",
  ]);
  const stats = outputs.find(({ name }) => name === "NATS service stats")?.text ?? "";
  assert(JSON.parse(stats).length > 0, stats);
  const exported = stack.sink.spans().map(({ name }) => name);
  assertArrayIncludes(exported, ["engine.prefill_chunk", "tokenize", "template"]);
}
