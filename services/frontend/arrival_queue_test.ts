import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { ArrivalQueue } from "./arrival_queue.ts";

Deno.test("ArrivalQueue gives items in order, to a reader before and after they came", async () => {
  const queue = new ArrivalQueue<number>();
  queue.push(1);
  queue.push(2);
  assertEquals([await queue.next(), await queue.next()], [1, 2]);
  const waiting = queue.next();
  queue.push(3);
  assertEquals(await waiting, 3);
});

Deno.test("ArrivalQueue.fail() overtakes queued items and rejects a waiting reader", async () => {
  const full = new ArrivalQueue<number>();
  full.push(1);
  full.fail(new Error("gone"));
  await assertRejects(() => full.next(), Error, "gone");
  const empty = new ArrivalQueue<number>();
  const waiting = empty.next();
  empty.fail(new Error("gone"));
  await assertRejects(() => waiting, Error, "gone");
  await assertRejects(() => empty.next(), Error, "gone");
});

Deno.test("ArrivalQueue.nextReady() gives what has come and waits for nothing", async () => {
  const queue = new ArrivalQueue<number>();
  assertEquals(queue.nextReady(), undefined);
  queue.push(1);
  queue.push(2);
  assertEquals([await queue.next(), queue.nextReady(), queue.nextReady()], [1, 2, undefined]);
  queue.push(3);
  queue.fail(new Error("gone"));
  assertEquals(queue.nextReady(), undefined);
});
