import { assert, assertEquals, assertFalse } from "@std/assert/mod.js";
import { CreditWindow } from "./credit_window.ts";

function receive(window: CreditWindow, messages: number): boolean {
  let isCredited = true;
  for (let n = 0; n < messages; n++) isCredited = window.receive();
  return isCredited;
}

Deno.test("CreditWindow grants the whole window at first", () => {
  const window = new CreditWindow(() => 8);
  assert(window.grant());
  assertEquals(window.granted, 8);
  assertFalse(window.grant());
});

Deno.test("CreditWindow grants again when a quarter of the window is new", () => {
  const window = new CreditWindow(() => 8);
  window.grant();
  receive(window, 1);
  assertFalse(window.grant());
  receive(window, 1);
  assert(window.grant());
  assertEquals(window.granted, 10);
});

Deno.test("CreditWindow lets a part larger than the window arrive", () => {
  const window = new CreditWindow(() => 2);
  window.grant();
  for (let n = 0; n < 100; n++) {
    assert(window.receive());
    window.grant();
  }
});

Deno.test("CreditWindow stops at one window while the reader takes nothing", () => {
  const window = new CreditWindow(() => 4);
  window.grant();
  let sent = 0;
  // Parts of one chunk: two messages each, complete at once.
  while (sent + 2 <= window.granted) {
    receive(window, 2);
    sent += 2;
    window.hold(2);
    window.grant();
  }
  assertEquals(sent, 4);
  assertFalse(window.grant());
});

Deno.test("CreditWindow tells a starved sender of any new credit", () => {
  const window = new CreditWindow(() => 16);
  window.grant();
  receive(window, 16);
  window.hold(16);
  assertFalse(window.grant());
  window.release(1);
  assert(window.grant());
  assertEquals(window.granted, 17);
});

Deno.test("CreditWindow never takes a grant back when its share shrinks", () => {
  let size = 16;
  const window = new CreditWindow(() => size);
  window.grant();
  size = 2;
  receive(window, 14);
  assertFalse(window.grant());
  assertEquals(window.granted, 16);
  receive(window, 2);
  assert(window.grant());
  assertEquals(window.granted, 18);
});

Deno.test("CreditWindow.receive() is false for a message without credit", () => {
  const window = new CreditWindow(() => 2);
  window.grant();
  assert(receive(window, 2));
  assertFalse(window.receive());
});
