/** A thread whose output is captured: it prints, warns and throws when it is told to. */

// deno-lint-ignore-file no-console

import process from "node:process";
import {
  type CapturedOutput,
  captureOutput,
  captureUncaught,
} from "../../../shared/runtime_output/captured_output.ts";

export type NoisyThreadMessage = CapturedOutput | { readonly endedBy: string };

interface ThreadScope {
  onmessage: ((event: MessageEvent<"throw" | "reject">) => void) | null;
  postMessage(message: NoisyThreadMessage): void;
}

const scope = self as unknown as ThreadScope;
const post = (output: CapturedOutput) => scope.postMessage(output);
captureOutput(post);
captureUncaught(post, ({ message }) => scope.postMessage({ endedBy: message }));

scope.onmessage = ({ data }) => {
  console.log("hello %s", "thread", { a: 1 });
  console.warn("two\nlines");
  console.trace("here");
  process.emitWarning("old", "DeprecationWarning");
  if (data === "reject") Promise.reject(new Error("lost"));
  else {setTimeout(() => {
      throw new Error("lost");
    });}
};
