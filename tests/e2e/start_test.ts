/** The whole of `start`: real processes, a real model, one machine. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert/mod.js";
import { fromFileUrl } from "@std/path/mod.js";

const START = fromFileUrl(new URL("../../services/start.ts", import.meta.url));

/** A running start and what it has printed. */
class Started implements AsyncDisposable {
  readonly process: Deno.ChildProcess;
  readonly #output: ReadableStreamDefaultReader<string>;
  #drained: Promise<string>;
  text = "";

  constructor(args: readonly string[]) {
    this.process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", START, ...args],
      env: { NO_COLOR: "1", DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS: "5000" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#output = this.process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#drained = new Response(this.process.stderr).text();
  }

  /** Waits for a line on stdout; throws with all output when it ends first. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.text);
      if (match !== null) return match[1] ?? match[0];
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`start ended early:\n${this.text}\n${await this.#drained}`);
      this.text += value;
    }
  }

  /** Ends it by a signal; returns its exit code. */
  async stop(signal: Deno.Signal): Promise<number> {
    this.process.kill(signal);
    while (!(await this.#output.read()).done);
    await this.#drained;
    return (await this.process.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.process.kill("SIGKILL");
    } catch {
      // The test stopped it.
    }
    await this.process.status;
  }
}

async function isServed(url: string): Promise<boolean> {
  try {
    await (await fetch(url)).body?.cancel();
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name: "start runs everything, says where, answers, and leaves nothing behind on SIGINT",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using start = new Started(["--model", "stories15m", "--port", "0"]);
    const url = await start.until(/^Baton is ready after [\d.]+ s: stories15m at (http:\S+)\/v1$/m);
    await start.until(/^Ctrl-C stops it\.$/m);
    assertMatch(start.text, /^ {2}adapter {4}\S/m);
    assertStringIncludes(start.text, `curl -N ${url}/v1/chat/completions`);
    const workerUrls = [...start.text.matchAll(/^ {2}(?:prefill|decode) +(http:\S+)\/health/gm)]
      .map((match) => match[1]!);
    assertEquals(workerUrls.length, 2);

    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "stories15m",
        prompt: "Once upon a time",
        max_tokens: 8,
        temperature: 0,
      }),
    });
    const body = await response.json();
    assertEquals(response.status, 200, JSON.stringify(body));
    assertStringIncludes(body.choices[0].text, "there was a little girl");

    const natsUrl = await start.until(/^ {2}nats {7}nats:\/\/(\S+)$/m);
    assertEquals(await start.stop("SIGINT"), 0);
    for (const gone of [url, ...workerUrls, `http://${natsUrl}`]) {
      assertEquals(await isServed(gone), false, gone);
    }
  },
});
