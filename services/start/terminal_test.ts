import { assertEquals } from "@std/assert/mod.js";
import { showProgress } from "./download_progress.ts";
import { type LineSink, Terminal } from "./terminal.ts";

/** Takes at most five bytes a write, as a full pipe may. */
class Sink implements LineSink {
  text = "";
  constructor(readonly hasScreen = false) {}

  writeSync(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, 5);
    this.text += new TextDecoder().decode(taken);
    return taken.length;
  }

  isTerminal(): boolean {
    return this.hasScreen;
  }
}

function terminal(options: { hasScreen?: boolean; isJsonl?: boolean; isPlain?: boolean } = {}) {
  const stdout = new Sink(options.hasScreen);
  const stderr = new Sink(options.hasScreen);
  return {
    stdout,
    stderr,
    terminal: new Terminal({
      stdout,
      stderr,
      isJsonl: options.isJsonl ?? false,
      isPlain: options.isPlain ?? false,
      now: () => 0,
    }),
  };
}

Deno.test("Terminal says messages on stdout and names services on stderr", () => {
  const { stdout, stderr, terminal: term } = terminal();
  term.say("Baton is ready");
  term.relay("decode", "loaded");
  term.notice("prefill", "ended");
  assertEquals(stdout.text, "Baton is ready\n");
  assertEquals(stderr.text, "decode    | loaded\nprefill   | ended\n");
});

Deno.test("Terminal says on to whoever still reads when another reader has left", () => {
  const { stdout, stderr, terminal: term } = terminal();
  stdout.writeSync = () => {
    throw new Deno.errors.BrokenPipe("Broken pipe");
  };
  term.say("Baton is ready");
  term.say("Ctrl-C stops it.");
  term.relay("decode", "loaded");
  assertEquals(stderr.text, "decode    | loaded\n");
});

Deno.test("Terminal hides secrets in what it says and in what a service says as it crashes", () => {
  const { stdout, terminal: speaker } = terminal();
  const curl = "  curl -N http://h/v1 -H 'content-type: application/json' -d '{\"model\":\"m\"}'";
  speaker.say(`Fetching model https://me:hunter2@h/m.gguf\n${curl}`);
  assertEquals(stdout.text, `Fetching model https://me:[redacted]@h/m.gguf\n${curl}\n`);
  for (const isJsonl of [false, true]) {
    const { stderr, terminal: term } = terminal({ isJsonl });
    term.relay("decode", "error: Uncaught Error: Cannot use nats://u:hunter2@h:4222");
    assertEquals(stderr.text.includes("nats://u:[redacted]@h:4222"), true, stderr.text);
  }
});

Deno.test("Terminal in JSONL mode passes JSON lines and wraps the others", () => {
  const { stderr, terminal: term } = terminal({ isJsonl: true });
  term.relay("decode", '{"level":"INFO"}');
  term.relay("nats", "[WRN] slow");
  term.notice("decode", "ended");
  const time = "1970-01-01T00:00:00.000000Z";
  assertEquals(stderr.text.trimEnd().split("\n").map((line) => JSON.parse(line)), [
    { level: "INFO" },
    { time, level: "INFO", target: "start.nats", message: "[WRN] slow" },
    { time, level: "WARN", target: "start.decode", message: "ended" },
  ]);
});

Deno.test("Terminal clears a progress line before anything else is written", () => {
  const { stdout, terminal: term } = terminal({ hasScreen: true });
  term.redraw("10 %");
  term.redraw("20 %");
  term.say("done");
  assertEquals(stdout.text, "\r\x1b[K10 %\r\x1b[K20 %\r\x1b[Kdone\n");
});

Deno.test("Terminal uses colours and redrawing only on a screen, and not with NO_COLOR", () => {
  assertEquals(terminal({ hasScreen: true }).terminal.canRedraw, true);
  assertEquals(terminal({ hasScreen: false }).terminal.canRedraw, false);
  const plain = terminal({ hasScreen: true, isPlain: true });
  assertEquals(plain.terminal.canRedraw, false);
  plain.terminal.relay("decode", "x");
  plain.terminal.warn("careful");
  assertEquals(plain.stderr.text, "decode    | x\n");
  assertEquals(plain.stdout.text, "careful\n");
});

const MB = 1_000_000;

Deno.test("showProgress writes a line for each ten per cent where nothing can be redrawn", () => {
  const { stdout, terminal: term } = terminal();
  const report = showProgress(term, () => 0);
  for (const part of [0, 1, 4, 25, 26, 99, 100]) {
    report({ item: "model x", receivedBytes: part * MB, totalBytes: 100 * MB });
  }
  report({ item: "other", receivedBytes: 0 });
  report({ item: "other", receivedBytes: MB });
  assertEquals(stdout.text.split("\n"), [
    "Fetching model x (100.0 MB)",
    "  model x: 25 %",
    "  model x: 99 %",
    "  model x: 100 %",
    "Fetching other",
    "",
  ]);
});

Deno.test("showProgress redraws a bar with the rate of this run, not too often", () => {
  const { stdout, terminal: term } = terminal({ hasScreen: true });
  let nowMs = 0;
  const report = showProgress(term, () => nowMs);
  report({ item: "model x", receivedBytes: 50 * MB, totalBytes: 100 * MB });
  nowMs = 50;
  report({ item: "model x", receivedBytes: 51 * MB, totalBytes: 100 * MB });
  nowMs = 1000;
  report({ item: "model x", receivedBytes: 75 * MB, totalBytes: 100 * MB });
  const drawn = stdout.text.split("\r\x1b[K");
  assertEquals(drawn.slice(1), [
    "  [############------------]  50 % 50.0 MB  0.0 MB/s",
    "  [##################------]  75 % 75.0 MB  25.0 MB/s",
  ]);
});
