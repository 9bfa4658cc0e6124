/**
 * Headers as clients send them, and what W3C Trace Context says of them: whether the trace goes on, and
 * with which tracestate. The parsers are tested with these cases directly, and the services across a
 * NATS hop.
 */

export const TRACE = "12345678901234567890123456789012";
export const SPAN = "1234567890123456";

export interface W3cCase {
  readonly what: string;
  /** Each value is one header line. */
  readonly traceparent: readonly string[];
  readonly tracestate: readonly string[];
  readonly isContinued: boolean;
  readonly isSampled: boolean;
  /** What goes on; empty where nothing does. */
  readonly forwarded: string;
}

/** Header lines that name a parent. Which flags they carry is in the last field. */
const CONTINUED: Readonly<Record<string, string>> = {
  "version 00": `00-${TRACE}-${SPAN}-01`,
  "an unsampled parent": `00-${TRACE}-${SPAN}-00`,
  "the random flag alone": `00-${TRACE}-${SPAN}-02`,
  "both known flags": `00-${TRACE}-${SPAN}-03`,
  "unknown flags": `00-${TRACE}-${SPAN}-fd`,
  "all flags": `00-${TRACE}-${SPAN}-ff`,
  "a future version": `cc-${TRACE}-${SPAN}-01`,
  "a future version with more fields": `cc-${TRACE}-${SPAN}-01-what-the-future`,
  "a future version with an empty field": `cc-${TRACE}-${SPAN}-01-`,
  "blanks around it": ` \t00-${TRACE}-${SPAN}-01\t `,
};

const REFUSED: Readonly<Record<string, string>> = {
  "an empty header": "",
  "version ff": `ff-${TRACE}-${SPAN}-01`,
  "version 00 with more fields": `00-${TRACE}-${SPAN}-01-what`,
  "version 00 with a trailing dash": `00-${TRACE}-${SPAN}-01-`,
  "version 00 with more after the flags": `00-${TRACE}-${SPAN}-01.what`,
  "a future version with a field without its dash": `cc-${TRACE}-${SPAN}-01.what`,
  "a future version with a third flag digit": `cc-${TRACE}-${SPAN}-011`,
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
  "other separators": `00_${TRACE}_${SPAN}_01`,
  "a blank inside": `00 -${TRACE}-${SPAN}-01`,
  "three fields": `00-${TRACE}-${SPAN}`,
};

const VALUE = Array.from({ length: 0x7e - 0x20 + 1 }, (_, i) => String.fromCharCode(0x20 + i))
  .filter((character) => character !== "," && character !== "=").join("");
const KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
const TENANT_KEY = `0123456789_-*/a@${KEY.slice(0, 14)}`;
const MEMBERS = Array.from({ length: 33 }, (_, i) => `bar${i}=${i}`);
const LONG = Array.from({ length: 32 }, (_, i) => `k${i}=${"v".repeat(200)}`).join(",");
const z = (count: number) => "z".repeat(count);

/** Lines of tracestate, and what of them goes on. */
const STATES: readonly (readonly [what: string, lines: readonly string[], forwarded: string])[] = [
  ["no tracestate", [], ""],
  ["one member", ["foo=1"], "foo=1"],
  [
    "two members",
    ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"],
    "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
  ],
  ["two lines", ["foo=1,bar=2", "rojo=1"], "foo=1,bar=2,rojo=1"],
  ["every character of a key and a value", [`${KEY}=${VALUE}`], `${KEY}=${VALUE}`],
  ["every character of a tenant's key", [`${TENANT_KEY}=${VALUE}`], `${TENANT_KEY}=${VALUE}`],
  ["blanks around members", ["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"],
  ["empty members", [",foo=1,,bar=2,"], "foo=1,bar=2"],
  ["blanks inside a value", ["foo=  a b"], "foo=  a b"],
  ["a repeated key", ["foo=1,bar=2,foo=3"], "foo=1,bar=2"],
  ["32 members", [MEMBERS.slice(0, 32).join(",")], MEMBERS.slice(0, 32).join(",")],
  ["33 members", [MEMBERS.join(",")], ""],
  ["a long list", [LONG], LONG],
  ["a key of 256", [`${z(256)}=1`], `${z(256)}=1`],
  ["a key of 257", [`foo=1,${z(257)}=1`], ""],
  ["a tenant's key at its limits", [`${z(241)}@${z(14)}=1`], `${z(241)}@${z(14)}=1`],
  ["a tenant of 242", [`foo=1,${z(242)}@v=1`], ""],
  ["a system of 15", [`foo=1,t@${z(15)}=1`], ""],
  ["a value of 256", [`foo=${z(256)}`], `foo=${z(256)}`],
  ["a value of 257", [`foo=${z(257)}`], ""],
  ...[
    "foo =1",
    "FOO=1",
    "foo.bar=1",
    "1foo=1",
    "foo@=1,bar=2",
    "@foo=1,bar=2",
    "foo@@bar=1,bar=2",
    "foo@bar@baz=1,bar=2",
    "foo@1bar=1",
    "foo=bar=baz",
    "foo=,bar=3",
    "foo",
    "=1",
  ].map((list) => [`the member list "${list}"`, [`ok=1,${list}`], ""] as const),
];

/** All cases. */
export const W3C_CASES: readonly W3cCase[] = [
  ...Object.entries(CONTINUED).map(([what, line]) => ({
    what,
    traceparent: [line],
    tracestate: ["foo=1"],
    isContinued: true,
    isSampled: (Number.parseInt(line.trim().split("-")[3] ?? "", 16) & 1) === 1,
    forwarded: "foo=1",
  })),
  ...Object.entries(REFUSED).map(([what, line]) => refused(what, [line])),
  refused("no traceparent", []),
  refused("two equal lines of traceparent", Array(2).fill(`00-${TRACE}-${SPAN}-01`)),
  refused("a wrong line beside a right one", [`00-${TRACE}-${SPAN}-01`, "foo"]),
  ...STATES.map(([what, tracestate, forwarded]) => ({
    what,
    traceparent: [`00-${TRACE}-${SPAN}-01`],
    tracestate,
    isContinued: true,
    isSampled: true,
    forwarded,
  })),
];

function refused(what: string, traceparent: readonly string[]): W3cCase {
  return {
    what,
    traceparent,
    tracestate: ["foo=1"],
    isContinued: false,
    isSampled: true,
    forwarded: "",
  };
}

/** The headers as an HTTP server joins them. */
export function joinedHeaders({ traceparent, tracestate }: W3cCase): Record<string, string> {
  return {
    ...(traceparent.length === 0 ? {} : { traceparent: traceparent.join(", ") }),
    ...(tracestate.length === 0 ? {} : { tracestate: tracestate.join(", ") }),
  };
}
