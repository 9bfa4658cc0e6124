import { assertEquals } from "@std/assert/mod.js";
import { TokenOrder } from "./token_order.ts";

Deno.test("TokenOrder passes on what comes in order", () => {
  const order = new TokenOrder();
  assertEquals([order.push(0, [5]), order.push(1, [6, 7]), order.push(3, [8])], [[5], [6, 7], [8]]);
  assertEquals([order.nextIndex, order.hasGap], [4, false]);
});

Deno.test("TokenOrder holds early tokens until the missing one comes", () => {
  const order = new TokenOrder();
  assertEquals(order.push(3, [8]), []);
  assertEquals(order.push(1, [6, 7]), []);
  assertEquals(order.hasGap, true);
  assertEquals(order.push(0, [5]), [5, 6, 7, 8]);
  assertEquals([order.nextIndex, order.hasGap], [4, false]);
});

Deno.test("TokenOrder passes early tokens on up to the next that is missing", () => {
  const order = new TokenOrder();
  assertEquals(order.push(4, [9]), []);
  assertEquals(order.push(1, [6]), []);
  assertEquals(order.push(0, [5]), [5, 6]);
  assertEquals([order.nextIndex, order.hasGap], [2, true]);
  assertEquals(order.push(2, [7, 8]), [7, 8, 9]);
});

Deno.test("TokenOrder drops what came before, whole frames and parts of them", () => {
  const order = new TokenOrder();
  order.push(0, [5, 6]);
  assertEquals(order.push(0, [5]), []);
  assertEquals(order.push(1, [6, 7]), [7]);
  assertEquals(order.nextIndex, 3);
});
