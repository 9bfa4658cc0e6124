import { assertEquals } from "@std/assert/mod.js";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";

const TRACE = "12345678901234567890123456789012";
const SPAN = "1234567890123456";

function parse(version: string, flags: string, rest = "") {
  return parseTraceparent(`${version}-${TRACE}-${SPAN}-${flags}${rest}`);
}

Deno.test("parseTraceparent reads ids and the sampled bit of a valid header", () => {
  assertEquals(parse("00", "01"), {
    traceId: TRACE,
    spanId: SPAN,
    isSampled: true,
    isRandom: false,
  });
  assertEquals(parse("00", "00")?.isSampled, false);
});

Deno.test("parseTraceparent reads known bits of any flags and ignores the rest", () => {
  for (
    const [flags, isSampled, isRandom] of [
      ["02", false, true],
      ["03", true, true],
      ["fd", true, false],
      ["ff", true, true],
      ["80", false, false],
    ] as const
  ) {
    const parent = parse("00", flags);
    assertEquals([parent?.isSampled, parent?.isRandom], [isSampled, isRandom], flags);
  }
});

Deno.test("parseTraceparent ignores blanks and tabs around the value, and no others", () => {
  const valid = `00-${TRACE}-${SPAN}-01`;
  for (const header of [` ${valid}`, `\t${valid}`, `${valid} `, `${valid}\t`, `\t ${valid} \t`]) {
    assertEquals(parseTraceparent(header)?.spanId, SPAN);
  }
  assertEquals(parseTraceparent(`${valid}\n`), null);
  assertEquals(parseTraceparent(`00 -${TRACE}-${SPAN}-01`), null);
});

Deno.test("parseTraceparent refuses a header that is not there", () => {
  assertEquals(parseTraceparent(undefined), null);
});

Deno.test("formatTraceparent writes version 00 with the known bits only", () => {
  const parent = parse("cc", "ff", "-future");
  assertEquals(parent && formatTraceparent(parent), `00-${TRACE}-${SPAN}-03`);
  const unsampled = parse("00", "00");
  assertEquals(unsampled && formatTraceparent(unsampled), `00-${TRACE}-${SPAN}-00`);
});
