import { assertEquals, assertThrows } from "@std/assert/mod.js";
import type { FieldExpression, Stage } from "./ast.ts";
import { QueryError } from "./errors.ts";
import { parseAttributeName, parseQuery } from "./parser.ts";
import { staticText } from "./static.ts";

/** With every operator in parentheses of its own. */
function show(expression: FieldExpression | null): string {
  switch (expression?.kind) {
    case "static":
      return staticText(expression.value);
    case "attribute":
      return expression.ref.text;
    case "unary":
      return `(${expression.op}${show(expression.operand)})`;
    case "binary":
      return `(${show(expression.left)} ${expression.op} ${show(expression.right)})`;
    default:
      return "";
  }
}

function showStage(stage: Stage): string {
  switch (stage.kind) {
    case "filter":
      return `{${show(stage.expression)}}`;
    case "operation":
      return `(${showStage(stage.left)} ${stage.op} ${showStage(stage.right)})`;
    case "pipeline":
      return `(${stage.stages.map(showStage).join(" | ")})`;
    default:
      return stage.kind;
  }
}

function structure(text: string): string {
  return parseQuery(text).stages.map(showStage).join(" | ");
}

Deno.test("parseQuery() binds operators as Tempo does", () => {
  const cases: [string, string][] = [
    ["{ .a = 1 + 2 * 3 }", "{(.a = (1 + (2 * 3)))}"],
    ["{ .a || .b && .c }", "{((.a || .b) && .c)}"],
    ["{ 2 ^ 3 ^ .a = 1 }", "{((2 ^ (3 ^ .a)) = 1)}"],
    ["{ -.a * 2 < 1 }", "{((-(.a * 2)) < 1)}"],
    ["{ -.a + 2 < 1 }", "{(((-.a) + 2) < 1)}"],
    ["{ !.a && .b }", "{((!.a) && .b)}"],
    ["{ !(.a = 1) }", "{(!(.a = 1))}"],
    ["{ .a } || { .b } && { .c }", "(({.a} || {.b}) && {.c})"],
    ["{ .a } && { .b } >> { .c }", "({.a} && ({.b} >> {.c}))"],
    ["({ .a } | count() > 1) ~ { .b }", "(({.a} | scalar_filter) ~ {.b})"],
    ["(({ .a }))", "{.a}"],
    ["{} | by(name) | coalesce() | select(.a)", "{} | group | coalesce | select"],
  ];
  for (const [text, expected] of cases) assertEquals(structure(text), expected, text);
});

Deno.test("parseQuery() reads every way to write a value and a name", () => {
  const cases: [string, string][] = [
    ['{ .a = "q\\"\\n\\u00e9" }', '{(.a = q"\né)}'],
    ["{ .a = `raw \\n` }", "{(.a = raw \\n)}"],
    ["{ .a > .5 }", "{(.a > 0.5)}"],
    ["{ .a = 1e3 }", "{(.a = 1000)}"],
    ["{ duration > 1h2m3.5s }", "{(duration > 1h2m3.5s)}"],
    ["{ duration > 100us }", "{(duration > 100µs)}"],
    ["{ span.http.status-code = 1 }", "{(span.http.status-code = 1)}"],
    ['{ span."a b" = 1 }', '{(span."a b" = 1)}'],
    ["{ .name = 1 }", "{(.name = 1)}"],
    ["{ span:kind = server // why\n}", "{(span:kind = server)}"],
    ["{/* all */}", "{}"],
    ["{ .a = 9223372036854775807 }", "{(.a = 9223372036854775807)}"],
  ];
  for (const [text, expected] of cases) assertEquals(structure(text), expected, text);
});

Deno.test("parseQuery() reads metrics with their groups and hints", () => {
  const query = parseQuery(
    "{ } | quantile_over_time(duration, .5, 1) by (name, span.a) with (exemplars = 3)",
  );
  assertEquals(query.metrics?.function, "quantile_over_time");
  assertEquals(query.metrics?.quantiles, [0.5, 1]);
  assertEquals(query.metrics?.by.map(({ text }) => text), ["name", "span.a"]);
  assertEquals(query.exemplars, 3);
  assertEquals(parseQuery("{} | rate() with(exemplars=false)").exemplars, false);
});

Deno.test("parseQuery() refuses what does not parse, with the place", () => {
  const cases: [string, string][] = [
    ["{ .a = }", "parse error at line 1, col 8: syntax error: unexpected }"],
    ["{ .a", "parse error at line 1, col 5: syntax error: unexpected $end"],
    ["", "parse error at line 1, col 1: syntax error: unexpected $end"],
    ["{}\n{}", "parse error at line 2, col 1: syntax error: unexpected {"],
    ["{ foo = 1 }", "parse error at line 1, col 3: unknown identifier: foo"],
    ['{ .a = "x }', "line 1, col 8: syntax error: literal not terminated"],
    ["{ .a = 1 ; }", "line 1, col 10: syntax error: unexpected ;"],
    ["{ span:foo = 1 }", "line 1, col 3: unknown intrinsic: span:foo"],
    ["{ . = 1 }", "an attribute needs a name"],
    ["{ .a = 99999999999999999999 }", "does not fit into 64 bits"],
    ["{} | rate() by ()", "unexpected )"],
    ["{} | select(1)", "unexpected 1"],
    [`${"(".repeat(200)}{}${")".repeat(200)}`, "nested deeper than 100"],
    [`{ ${"!".repeat(200)}.a }`, "nested deeper than 100"],
  ];
  for (const [text, words] of cases) assertThrows(() => parseQuery(text), QueryError, words);
});

Deno.test("parseQuery() refuses what makes no sense or is not supported, with the place", () => {
  const cases: [string, string][] = [
    ["{ name = 1 }", "line 1, col 8: binary operations must operate on the same type"],
    ["{ kind > server }", "line 1, col 8: illegal operation for the given types"],
    ["{ .a =~ 1 }", "illegal operation for the given types"],
    ["{ .a =~ .b }", "line 1, col 9: a regular expression must be a string literal"],
    ['{ .a =~ "(" }', "line 1, col 9: invalid regex"],
    ["{ 1 }", "must resolve to a boolean: { 1 }"],
    ["{ -true }", "illegal operation for the given type"],
    ["{ name = nil }", "name = nil is not supported"],
    ["{ .a > nil }", "illegal operation for the given types: > nil"],
    ["{} | by(1)", "must reference the span: by(1)"],
    ["{} | avg(name) > 1", "must resolve to a number type: avg(name)"],
    ["{} | count() > true", "compares with a number or a duration only"],
    ["{} | compare({ .a })", "line 1, col 6: compare() is not supported"],
    ["{} | rate() | topk(5)", "a stage after rate is not supported"],
    ["{} | count() + 1 > 2", "arithmetic on aggregates is not supported"],
    ["{} | count() > avg(.a)", "an aggregate on the right of a comparison is not supported"],
    ["{} | 1 < count()", "a number on the left of a comparison of aggregates is not supported"],
    ["{ parent.a = 1 }", "parent attributes are not supported"],
    ["{} | rate() by (.a, .b, .c, .d, .e, .f)", "by() takes at most 5 attributes"],
    ["{} | quantile_over_time(duration, 2)", "a quantile lies between 0 and 1"],
    ["{} | rate() with (magic = true)", "the hint magic is not supported"],
    ["({} | rate()) + 1", "rate in parentheses is not supported"],
  ];
  for (const [text, words] of cases) assertThrows(() => parseQuery(text), QueryError, words);
});

Deno.test("parseAttributeName() reads what a path names", () => {
  assertEquals(parseAttributeName("span.a.b").text, "span.a.b");
  assertEquals(parseAttributeName(".a").scope, "any");
  assertEquals(parseAttributeName("span:name").scope, "intrinsic");
  assertThrows(() => parseAttributeName("a"), QueryError, "failed to parse identifier a");
  assertThrows(() => parseAttributeName(".a = 1"), QueryError, "unexpected =");
});
