import { assertEquals } from "@std/assert/mod.js";
import { Ticker } from "./ticker.ts";

Deno.test("Ticker.ticksOf() rounds up and is at least one", () => {
  const ticker = new Ticker(500);
  assertEquals([0, 1, 500, 501, 3500].map((ms) => ticker.ticksOf(ms)), [1, 1, 1, 2, 7]);
});

Deno.test("Ticker ticks every listener until it is removed", async () => {
  const ticker = new Ticker(1);
  const ticks: string[] = [];
  const removeA = ticker.add(() => ticks.push("a"));
  await nextTick(ticker);
  removeA();
  const seen = ticks.length;
  await nextTick(ticker);
  assertEquals(seen > 0, true);
  assertEquals(ticks.length, seen);
});

Deno.test({
  name: "Ticker holds no timer without listeners, nor after stop()",
  sanitizeOps: true,
  sanitizeResources: true,
  async fn() {
    const ticker = new Ticker(1);
    await nextTick(ticker);
    ticker.add(() => {});
    ticker.stop();
  },
});

Deno.test("Ticker counts a stall of the event loop as one tick", async () => {
  const ticker = new Ticker(20);
  let ticks = 0;
  const remove = ticker.add(() => ticks++);
  await nextTick(ticker);
  const before = ticks;
  const stallUntilMs = performance.now() + 100;
  while (performance.now() < stallUntilMs);
  await nextTick(ticker);
  remove();
  assertEquals(ticks - before, 1);
});

function nextTick(ticker: Ticker): Promise<void> {
  return new Promise((resolve) => {
    const remove = ticker.add(() => {
      remove();
      resolve();
    });
  });
}
