import { assertEquals } from "@std/assert/mod.js";
import { OpenSpans } from "./open_spans.ts";

const span = () => ({ abandon() {} });

Deno.test("OpenSpans gives what is open, the newest first, whatever was removed between", () => {
  const open = new OpenSpans();
  assertEquals(open.newestFirst(), []);
  const spans = [span(), span(), span(), span()];
  const [first, second, third, fourth] = spans.map((each) => open.add(each));
  assertEquals(open.newestFirst(), spans.toReversed());
  open.remove(second!);
  assertEquals(open.newestFirst().length, 3);
  open.remove(fourth!);
  assertEquals(open.newestFirst()[0] === spans[2], true);
  open.remove(first!);
  open.remove(third!);
  assertEquals(open.newestFirst(), []);
  const late = span();
  open.add(late);
  assertEquals(open.newestFirst()[0] === late, true);
});

Deno.test("OpenSpans leaves a removed span no link to those beside it", () => {
  const open = new OpenSpans();
  const [first, second] = [open.add(span()), open.add(span())];
  open.remove(first);
  assertEquals(first, { span: null, before: null, after: null });
  assertEquals(second.before, null);
});
