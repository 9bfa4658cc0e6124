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

Deno.test("parseTraceparent reads the first four fields of a future version", () => {
  for (
    const header of [parse("01", "01"), parse("cc", "01"), parse("cc", "01", "-what-the-future")]
  ) {
    assertEquals(header?.traceId, TRACE);
  }
  assertEquals(parse("cc", "01", "-")?.traceId, TRACE);
});

Deno.test("parseTraceparent refuses a future version whose fifth field has no dash", () => {
  assertEquals(parse("cc", "01", ".what-the-future"), null);
  assertEquals(parse("cc", "01", "1"), null);
});

Deno.test("parseTraceparent ignores blanks and tabs around the value, and no others", () => {
  const valid = `00-${TRACE}-${SPAN}-01`;
  for (const header of [` ${valid}`, `\t${valid}`, `${valid} `, `${valid}\t`, `\t ${valid} \t`]) {
    assertEquals(parseTraceparent(header)?.spanId, SPAN);
  }
  assertEquals(parseTraceparent(`${valid}\n`), null);
  assertEquals(parseTraceparent(`00 -${TRACE}-${SPAN}-01`), null);
});

const REFUSED: Record<string, string | undefined> = {
  "no header": undefined,
  "an empty header": "",
  "version ff": `ff-${TRACE}-${SPAN}-01`,
  "version 00 with more fields": `00-${TRACE}-${SPAN}-01-what`,
  "version 00 with a trailing dash": `00-${TRACE}-${SPAN}-01-`,
  "version 00 with more after the flags": `00-${TRACE}-${SPAN}-01.what`,
  "a version of one digit": `0-${TRACE}-${SPAN}-01`,
  "a version of three digits": `000-${TRACE}-${SPAN}-01`,
  "a version with a letter past f": `.0-${TRACE}-${SPAN}-01`,
  "an upper-case version": `CC-${TRACE}-${SPAN}-01`,
  "an all-zero trace id": `00-${"0".repeat(32)}-${SPAN}-01`,
  "an upper-case trace id": `00-${"ABCDEF0123456789".repeat(2)}-${SPAN}-01`,
  "a trace id with a dot": `00-.2345678901234567890123456789012-${SPAN}-01`,
  "a short trace id": `00-${TRACE.slice(1)}-${SPAN}-01`,
  "a long trace id": `00-${TRACE}0-${SPAN}-01`,
  "an all-zero parent id": `00-${TRACE}-${"0".repeat(16)}-01`,
  "an upper-case parent id": `00-${TRACE}-ABCDEF0123456789-01`,
  "a parent id with a dot": `00-${TRACE}-.234567890123456-01`,
  "a short parent id": `00-${TRACE}-${SPAN.slice(1)}-01`,
  "a long parent id": `00-${TRACE}-${SPAN}0-01`,
  "flags with a dot": `00-${TRACE}-${SPAN}-.0`,
  "upper-case flags": `00-${TRACE}-${SPAN}-0A`,
  "flags of one digit": `00-${TRACE}-${SPAN}-1`,
  "flags of three digits": `00-${TRACE}-${SPAN}-001`,
  "two headers joined": `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
  "other separators": `00_${TRACE}_${SPAN}_01`,
  "three fields": `00-${TRACE}-${SPAN}`,
};

for (const [what, header] of Object.entries(REFUSED)) {
  Deno.test(`parseTraceparent refuses ${what}`, () => {
    assertEquals(parseTraceparent(header), null);
  });
}

Deno.test("formatTraceparent writes version 00 with the known bits only", () => {
  const parent = parse("cc", "ff", "-future");
  assertEquals(parent && formatTraceparent(parent), `00-${TRACE}-${SPAN}-03`);
  const unsampled = parse("00", "00");
  assertEquals(unsampled && formatTraceparent(unsampled), `00-${TRACE}-${SPAN}-00`);
});
