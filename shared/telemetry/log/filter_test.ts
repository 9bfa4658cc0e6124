import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { LEVEL_RANK, parseLogFilter } from "./filter.ts";

const { error, warn, info, debug, trace } = LEVEL_RANK;

Deno.test("parseLogFilter reads a bare level, in any case, as the default", () => {
  assertEquals(parseLogFilter("debug").rank("bus"), debug);
  assertEquals(parseLogFilter("WARN").rank("bus"), warn);
  assertEquals(parseLogFilter("off").rank("bus"), 0);
});

Deno.test("parseLogFilter keeps info where no directive gives a default", () => {
  assertEquals(parseLogFilter("").rank("bus"), info);
  assertEquals(parseLogFilter("bus=error").rank("frontend"), info);
});

Deno.test("parseLogFilter gives targets their own level", () => {
  const filter = parseLogFilter(" info, bus=debug ,other=off,engine=Trace,");
  assertEquals(["bus", "other", "engine", "frontend"].map((target) => filter.rank(target)), [
    debug,
    0,
    trace,
    info,
  ]);
});

Deno.test("parseLogFilter applies a target to what lies below it, the longest match first", () => {
  const filter = parseLogFilter("bus=warn,bus.transfer=trace,a::b=error");
  assertEquals(filter.rank("bus.call"), warn);
  assertEquals(filter.rank("bus.transfer.send"), trace);
  assertEquals(filter.rank("bus/call"), warn);
  assertEquals(filter.rank("a::b::c"), error);
  assertEquals(filter.rank("business"), info);
});

Deno.test("parseLogFilter takes the last directive of a target and of the default", () => {
  const filter = parseLogFilter("warn,bus=off,bus=debug,error");
  assertEquals([filter.rank("bus"), filter.rank("x")], [debug, error]);
});

for (
  const directive of [
    "bus:debug",
    "inof",
    "a::b",
    "bus=loud",
    "=info",
    "bus=",
    "a b",
    "bus[span]=info",
  ]
) {
  Deno.test(`parseLogFilter refuses ${directive} and says what to write`, () => {
    const thrown = assertThrows(() => parseLogFilter(`info,${directive}`), SyntaxError);
    assertEquals(thrown.message.includes(`"${directive}"`), true, thrown.message);
    assertEquals(thrown.message.includes("target=level"), true, thrown.message);
  });
}
