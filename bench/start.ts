/**
 * `task start` to the first token of a chat, with everything in the cache already.
 *
 * The time runs from the spawn of the process to the arrival of the first content at a client.
 */

import { fromFileUrl } from "@std/path/mod.js";
import { choosePort } from "../services/start/ports.ts";
import { figure, median } from "./statistics.ts";

export interface StartBenchOptions {
  readonly models: readonly string[];
  readonly rounds: number;
}

interface StartFigures {
  readonly readyMs: number;
  readonly firstTokenMs: number;
}

/** Runs the benchmark and returns its report as Markdown. */
export async function benchStart(options: StartBenchOptions): Promise<string> {
  const rows: string[] = [];
  for (const model of options.models) {
    const rounds: StartFigures[] = [];
    for (let round = 0; round <= options.rounds; round++) {
      const figures = await startOnce(model);
      if (round > 0) rounds.push(figures);
    }
    const of = (pick: (figures: StartFigures) => number) => figure(median(rounds.map(pick)) / 1e3);
    rows.push(`| ${model} | ${of((f) => f.readyMs)} s | ${of((f) => f.firstTokenMs)} s |`);
  }
  return `| model | start → ready | start → first token |\n| --- | --- | --- |\n${
    rows.join("\n")
  }\n`;
}

async function startOnce(model: string): Promise<StartFigures> {
  const port = choosePort("127.0.0.1", 0);
  const startedAt = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      fromFileUrl(new URL("../services/start.ts", import.meta.url)),
      "--port",
      String(port),
      "--model",
      model,
    ],
    env: { DYN_TRACES_OTLP_PORT: "0", DYN_TRACES_QUERY_PORT: "0" },
    stdout: "null",
    stderr: "null",
  }).spawn();
  let exitCode: number | undefined;
  const ended = child.status.then(({ code }) => exitCode = code);
  try {
    const base = `http://127.0.0.1:${port}`;
    while (!await isReady(base)) {
      if (exitCode !== undefined) {
        throw new Error(
          `Cannot measure the start of ${model}: it ended with code ${exitCode}; ` +
            `run deno task start --model ${model} to see why`,
        );
      }
      if (performance.now() - startedAt > 120_000) {
        throw new Error(`Cannot measure the start of ${model}: not ready in 120 s`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const readyMs = performance.now() - startedAt;
    const response = await fetch(`${base}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, prompt: "Once upon a time", max_tokens: 8, stream: true }),
    });
    if (!response.ok || response.body === null) {
      throw new Error(`Cannot measure the first token: status ${response.status}`);
    }
    const reader = response.body.getReader();
    await reader.read();
    const firstTokenMs = performance.now() - startedAt;
    await reader.cancel();
    return { readyMs, firstTokenMs };
  } finally {
    if (exitCode === undefined) child.kill("SIGTERM");
    await ended;
  }
}

async function isReady(base: string): Promise<boolean> {
  try {
    const response = await fetch(`${base}/health`);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
