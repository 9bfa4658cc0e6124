/** A thread that says things by itself, as a library or the runtime would. */

// deno-lint-ignore-file no-console

import process from "node:process";
import { serveCalls, type ThreadScope } from "../thread_call.ts";

// The lib that is checked against has no worker scope.
const scope = self as unknown as ThreadScope;

serveCalls(scope, {
  say: (text: string) => console.warn(text),
  warn: (text: string) => process.emitWarning(text, "OddWarning"),
  /** Fails after the call was answered, where nobody catches it. */
  fail: (text: string) => {
    setTimeout(() => {
      throw new Error(text);
    }, 0);
  },
  wait: () => new Promise(() => {}),
});
