import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { within } from "../../tests/kit/waits.ts";
import type { CapturedOutput } from "../runtime_output/captured_output.ts";
import { ThreadClient, ThreadEndedError } from "./thread_call.ts";

function noisyThread() {
  const outputs: CapturedOutput[] = [];
  const said = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  const thread = new ThreadClient(new URL("./testing/noisy_thread.ts", import.meta.url), {
    onOutput: (output) => {
      outputs.push(output);
      said.resolve();
    },
    onEnd: ({ message }) => ended.resolve(message),
  });
  return { thread, outputs, said: said.promise, ended: ended.promise };
}

Deno.test("ThreadClient passes on what the thread's console and the runtime say", async () => {
  const { thread, outputs } = noisyThread();
  await within("an answer", thread.call("say", "odd"));
  const { said, ...other } = noisyThread();
  await within("an answer", other.thread.call("warn", "old"));
  await within("the warning", said);
  assertEquals([...outputs, ...other.outputs], [
    { level: "warn", text: "odd", fields: {} },
    { level: "warn", text: "old", fields: { warning: "OddWarning" } },
  ]);
  thread.end("done");
  other.thread.end("done");
});

Deno.test("ThreadClient ends a thread with an error that nobody caught, and tells of it", async () => {
  const { thread, outputs, ended } = noisyThread();
  const waiting = assertRejects(() => thread.call("wait", null), ThreadEndedError, "broken");
  await within("an answer", thread.call("fail", "broken"));
  assertEquals(await within("the thread's end", ended), "broken");
  await within("the waiting call's end", waiting);
  assertEquals([outputs[0]?.level, outputs[0]?.fields.error], ["error", "broken"]);
  assertEquals(thread.hasEnded, true);
});
