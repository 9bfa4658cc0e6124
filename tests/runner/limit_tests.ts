/**
 * Loaded before each test file (`deno test --preload=…/limit_tests.ts?limit_ms=…`), so that no test
 * and no hook waits for ever.
 *
 * A test without a `timeout` of its own gets the limit as one: Deno ends it then even where it never
 * yields, names it, and goes on with the next. Hooks have no such setting; theirs is a timer.
 */

import { within } from "../kit/waits.ts";

type TestFunction = Deno.TestDefinition["fn"];
type TestArgument = string | Partial<Deno.TestDefinition> | TestFunction;
type Hook = () => void | Promise<void>;

/** Where Deno looks for a test's place in its file when another file registers it. */
const LOCATION = Symbol.for("Deno.test.location");

limitTests(Number(new URL(import.meta.url).searchParams.get("limit_ms")));

function limitTests(limitMs: number): void {
  const { test } = Deno;
  const register = (...args: TestArgument[]): void => {
    const { fn, ...definition } = definitionOf(args);
    const place = { [LOCATION]: placeOfCaller() };
    const placed: TestFunction = (context) => fn(context);
    test({ timeout: limitMs, ...definition, fn: Object.assign(placed, place) });
  };
  const limited = (name: "beforeAll" | "beforeEach" | "afterEach" | "afterAll") => (hook: Hook) =>
    test[name](() => within(`the end of ${name}`, Promise.try(hook), { timeoutMs: limitMs }));
  Object.assign(Deno, {
    test: Object.assign(register, test, {
      beforeAll: limited("beforeAll"),
      beforeEach: limited("beforeEach"),
      afterEach: limited("afterEach"),
      afterAll: limited("afterAll"),
    }),
  });
}

/** Of all ways to call `Deno.test`: name, options and function, each by itself or in the options. */
function definitionOf(args: readonly TestArgument[]): Deno.TestDefinition {
  const options = args.find((each) => typeof each === "object") ?? {};
  const fn = args.find((each) => typeof each === "function") ?? options.fn;
  if (fn === undefined) throw new TypeError("Cannot register a test: it has no function");
  const name = args.find((each) => typeof each === "string") ?? options.name ?? fn.name;
  return { ...options, name, fn };
}

/** `file:line:column` of the call of `Deno.test`. */
function placeOfCaller(): string {
  const [, , , line = ""] = (new Error().stack ?? "").split("\n");
  return /file:\S+:\d+:\d+/.exec(line)?.[0] ?? "";
}
