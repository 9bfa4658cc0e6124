import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { eventually, within } from "./waits.ts";

Deno.test("within resolves as its promise does, and rejects with what was there when it is late", async () => {
  assertEquals(await within("it", Promise.resolve(3)), 3);
  await assertRejects(() => within("it", Promise.reject(new Error("no"))), Error, "no");
  const never = Promise.withResolvers<void>().promise;
  await assertRejects(
    () => within("the end", never, { timeoutMs: 5, seen: () => "a beginning" }),
    Error,
    "the end did not come in 5 ms:\na beginning",
  );
});

Deno.test("eventually asks until it is true, and rejects when its time is over", async () => {
  let asked = 0;
  await eventually(() => ++asked === 3);
  assertEquals(asked, 3);
  const isNever = () => Promise.resolve(false);
  await assertRejects(
    () => eventually(isNever, 5),
    Error,
    "Promise.resolve(false) did not come in",
  );
});

Deno.test("eventually rejects when a question has no answer in time", async () => {
  const never = Promise.withResolvers<boolean>().promise;
  await assertRejects(() => eventually(() => never, 5), Error, "did not come in 5 ms");
});
