import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert/mod.js";
import { parseOptions, UsageError } from "./options.ts";
import { parseQuery } from "./request_query.ts";

Deno.test("parseOptions draws the last request when nothing is said", () => {
  const { command, requests, logs, isJson } = parseOptions([]);
  assertEquals([command, requests, logs, isJson], ["show", ["last"], [], false]);
});

Deno.test("parseOptions reads commands, requests and options in any order", () => {
  const shown = parseOptions(["--logs", "a.jsonl", "-", "--html=x.html", "slow"]);
  assertEquals(shown.logs, ["a.jsonl", "-"]);
  assertEquals([shown.requests, shown.htmlPath], [["slow"], "x.html"]);
  const piped = parseOptions(["my-req", "--json", "--logs", "a", "b", "--logs=c"]);
  assertEquals([piped.requests, piped.logs, piped.isJson], [["my-req"], ["a", "b", "c"], true]);
  assertEquals(parseOptions(["--tempo"]).tempoUrl, "");
  const fromEnvironment = parseOptions(["--tempo", "my-req"]);
  assertEquals([fromEnvironment.tempoUrl, fromEnvironment.requests], ["", ["my-req"]]);
  const diff = parseOptions(["diff", "a", "b", "--tempo", "http://tempo:3200/"]);
  assertEquals([diff.command, diff.requests, diff.tempoUrl], [
    "diff",
    ["a", "b"],
    "http://tempo:3200",
  ]);
  assertEquals(parseOptions(["tail", "--logs", "-"]).command, "tail");
  assertEquals(parseOptions(["diff", "--help"]).command, "help");
});

Deno.test("parseOptions refuses what cannot be meant, and says why", () => {
  const cases: [string[], string][] = [
    [["a", "b"], "show takes one request"],
    [["diff", "a"], "diff takes two requests"],
    [["tail", "a"], "tail takes no request"],
    [["--color"], "--color: no such option"],
    [["--logs"], "name files"],
    [["last", "--logs", "--json"], "name files"],
    [["--html"], "--html: it needs a value"],
    [["--tempo", "tempo:3200"], "use an http://"],
    [["--tempo", "http://t", "--logs", "a"], "choose one"],
    [["--json", "--html", "x"], "choose one"],
    [["tail", "--json"], "with tail"],
    [["diff", "a", "b", "--html", "x"], "with diff"],
  ];
  for (const [args, words] of cases) {
    const { message } = assertThrows(() => parseOptions(args), UsageError);
    assertStringIncludes(message, words);
  }
});

Deno.test("parseQuery knows trace ids, traceparents, ids of answers and all other ids", () => {
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  assertEquals(parseQuery("slow"), { kind: "slow" });
  assertEquals(parseQuery(traceId.toUpperCase()), { kind: "trace", traceId });
  assertEquals(parseQuery(`00-${traceId}-00f067aa0ba902b7-01`), { kind: "trace", traceId });
  assertEquals(parseQuery("chatcmpl-9fc42f26"), { kind: "id", id: "9fc42f26" });
  assertEquals(parseQuery("My-Req"), { kind: "id", id: "My-Req" });
});
