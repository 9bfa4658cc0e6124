import { assertEquals } from "@std/assert/mod.js";
import { formatBaggage, parseBaggage } from "./baggage.ts";

Deno.test("parseBaggage reads pairs, blanks around them and properties", () => {
  assertEquals(parseBaggage("userId=alice , serverNode = DF%2028 ;ttl=60; a, isProduction=false"), [
    { key: "userId", value: "alice" },
    { key: "serverNode", value: "DF 28", properties: "ttl=60; a" },
    { key: "isProduction", value: "false" },
  ]);
});

Deno.test("parseBaggage keeps an empty value and equals signs in a value", () => {
  assertEquals(parseBaggage("a=,b=c=d"), [{ key: "a", value: "" }, { key: "b", value: "c=d" }]);
});

Deno.test("parseBaggage decodes UTF-8 and replaces bytes that are none", () => {
  assertEquals(parseBaggage("a=%C3%BC%E2%82%AC,b=%ff,c=100%,d=%zz"), [
    { key: "a", value: "ü€" },
    { key: "b", value: "\ufffd" },
    { key: "c", value: "100%" },
    { key: "d", value: "%zz" },
  ]);
});

Deno.test("parseBaggage leaves out members that are not valid and keeps the others", () => {
  assertEquals(parseBaggage('ok=1,no value,=x,a b=2,c="q",d=a\\b,e=é,f=1;p="q",last=2'), [
    { key: "ok", value: "1" },
    { key: "last", value: "2" },
  ]);
});

Deno.test("parseBaggage gives no members for no header", () => {
  assertEquals(parseBaggage(undefined), []);
  assertEquals(parseBaggage(""), []);
});

Deno.test("formatBaggage gives back what parseBaggage read, whatever the value", () => {
  const members = [
    { key: "a", value: 'x, y; "z" \\ % ü€\n' },
    { key: "b", value: "", properties: "ttl=60" },
  ];
  const header = formatBaggage(members);
  assertEquals(/^[\x21-\x7e]*$/.test(header), true, header);
  assertEquals(parseBaggage(header), members);
});

Deno.test("formatBaggage holds 64 members and 8192 bytes", () => {
  const many = Array.from({ length: 70 }, (_, i) => ({ key: `k${i}`, value: "v" }));
  assertEquals(parseBaggage(formatBaggage(many)).length, 64);
  const big = [{ key: "a", value: "v".repeat(8000) }, { key: "b", value: "v".repeat(8000) }, {
    key: "c",
    value: "v",
  }];
  assertEquals(parseBaggage(formatBaggage(big)).map((member) => member.key), ["a", "c"]);
});
