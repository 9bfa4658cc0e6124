import { assertEquals, assertRejects, assertThrows } from "@std/assert/mod.js";
import { Mailbox } from "./mailbox.ts";

Deno.test("Mailbox.take() yields items in the order of their pushes, queued or awaited", async () => {
  const mailbox = new Mailbox<string>();
  mailbox.push("a");
  mailbox.push("b");
  assertEquals(await mailbox.take(), { done: false, value: "a" });
  assertEquals(await mailbox.take(), { done: false, value: "b" });
  const awaited = mailbox.take();
  mailbox.push("c");
  assertEquals(await awaited, { done: false, value: "c" });
});

Deno.test("Mailbox.takeReady() yields what has come and waits for nothing", async () => {
  const mailbox = new Mailbox<string>();
  assertEquals(mailbox.takeReady(), undefined);
  mailbox.push("a");
  mailbox.push("b");
  mailbox.fail(new Error("broken"));
  assertEquals([mailbox.takeReady(), mailbox.takeReady()], ["a", "b"]);
  assertEquals(mailbox.takeReady(), undefined);
  await assertRejects(() => mailbox.take(), Error, "broken");
});

Deno.test("Mailbox keeps order over long queues that never run empty", async () => {
  const mailbox = new Mailbox<number>();
  let pushed = 0;
  for (let taken = 0; taken < 10_000; taken++) {
    while (pushed < taken + 3_000) mailbox.push(pushed++);
    assertEquals((await mailbox.take()).value, taken);
  }
});

Deno.test("Mailbox.end() lets the reader take what is queued, then ends for good", async () => {
  const mailbox = new Mailbox<string>();
  mailbox.push("a");
  mailbox.end();
  mailbox.push("late");
  assertEquals(await mailbox.take(), { done: false, value: "a" });
  assertEquals(await mailbox.take(), { done: true, value: undefined });
  assertEquals(await mailbox.take(), { done: true, value: undefined });
});

Deno.test("Mailbox.end() wakes a waiting reader", async () => {
  const mailbox = new Mailbox<string>();
  const taken = mailbox.take();
  mailbox.end();
  assertEquals(await taken, { done: true, value: undefined });
});

Deno.test("Mailbox.fail() throws once, after what is queued", async () => {
  const mailbox = new Mailbox<string>();
  mailbox.push("a");
  mailbox.fail(new Error("broken"));
  mailbox.fail(new Error("second"));
  assertEquals(await mailbox.take(), { done: false, value: "a" });
  await assertRejects(() => mailbox.take(), Error, "broken");
  assertEquals(await mailbox.take(), { done: true, value: undefined });
});

Deno.test("Mailbox.fail() rejects a waiting reader", async () => {
  const mailbox = new Mailbox<string>();
  const taken = mailbox.take();
  mailbox.fail(new Error("broken"));
  await assertRejects(() => taken, Error, "broken");
  assertEquals(await mailbox.take(), { done: true, value: undefined });
});

Deno.test("Mailbox.clear() drops what is queued and keeps the end", async () => {
  const mailbox = new Mailbox<string>();
  mailbox.push("a");
  mailbox.fail(new Error("broken"));
  mailbox.clear();
  await assertRejects(() => mailbox.take(), Error, "broken");
});

Deno.test("Mailbox.take() refuses a second reader", async () => {
  const mailbox = new Mailbox<string>();
  const first = mailbox.take();
  assertThrows(() => mailbox.take(), TypeError);
  mailbox.push("a");
  assertEquals((await first).value, "a");
});
