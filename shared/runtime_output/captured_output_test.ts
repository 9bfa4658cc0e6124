import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import type { NoisyThreadMessage } from "../../tests/kit/programs/noisy_thread.ts";
import { within } from "../../tests/kit/waits.ts";

const THREAD = new URL("../../tests/kit/programs/noisy_thread.ts", import.meta.url);

/** All that a thread says up to its end, which is asked for by `how`. */
async function said(how: "throw" | "reject"): Promise<NoisyThreadMessage[]> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const messages: NoisyThreadMessage[] = [];
  const thread = new Worker(THREAD, { type: "module" });
  thread.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`it was not captured: ${event.message}`));
  };
  thread.onmessage = ({ data }: MessageEvent<NoisyThreadMessage>) => {
    messages.push(data);
    if ("endedBy" in data) resolve();
  };
  thread.postMessage(how);
  try {
    await within("the end of the thread", promise);
    return messages;
  } finally {
    thread.terminate();
  }
}

for (const how of ["throw", "reject"] as const) {
  Deno.test(`a thread's console, warnings and an error by ${how} are captured, and nothing else`, async () => {
    const messages = await said(how);
    const errors = messages.filter((each) => "level" in each && each.level === "error");
    assertEquals(messages.filter((each) => !errors.includes(each)), [
      { level: "info", text: "hello thread { a: 1 }", fields: {} },
      { level: "warn", text: "two\nlines", fields: {} },
      { level: "debug", text: "here", fields: {} },
      { level: "warn", text: "old", fields: { warning: "DeprecationWarning" } },
      { endedBy: "lost" },
    ]);
    const [error] = errors as Extract<NoisyThreadMessage, { level: string }>[];
    assertEquals([errors.length, error?.text, error?.fields.error], [1, "uncaught error", "lost"]);
    assertStringIncludes(error?.fields.stack ?? "", "Error: lost\n    at ");
  });
}
