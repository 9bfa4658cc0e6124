import { assertEquals } from "@std/assert/mod.js";
import { CommandCounter, CommandTurns } from "./command_counter.ts";

/** Posts commands from another thread, then wakes the busy one. The second count is its alarm. */
const SENDER = `
  self.onmessage = ({ data: { port, buffer, commands } }) => {
    const posted = new Int32Array(buffer);
    for (let index = 0; index < commands; index++) {
      port.postMessage(index);
      Atomics.add(posted, 0, 1);
    }
    Atomics.store(posted, 1, 1);
    Atomics.notify(posted, 1);
  };
`;

Deno.test("CommandTurns.take() resolves at once when nothing was posted", async () => {
  const turns = new CommandTurns(new CommandCounter().buffer);
  let hasTimerFired = false;
  const timer = setTimeout(() => hasTimerFired = true, 0);
  await turns.take();
  assertEquals(hasTimerFired, false);
  clearTimeout(timer);
});

Deno.test("CommandTurns.take() waits until every command that was posted has been received", async () => {
  const counter = new CommandCounter();
  const turns = new CommandTurns(counter.buffer);
  const { port1, port2 } = new MessageChannel();
  const received: number[] = [];
  port2.onmessage = ({ data }) => {
    received.push(data);
    turns.received();
  };
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 5; index++) {
      port1.postMessage(round * 5 + index);
      counter.add();
    }
    await turns.take();
    assertEquals(received.length, (round + 1) * 5);
  }
  assertEquals(received, received.toSorted((a, b) => a - b));
  port1.close();
  port2.close();
});

Deno.test("CommandTurns.take() lets in what another thread posted while this one was busy", async () => {
  const shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
  const turns = new CommandTurns(shared);
  const { port1, port2 } = new MessageChannel();
  let receivedCount = 0;
  port2.onmessage = () => {
    receivedCount++;
    turns.received();
  };
  const url = URL.createObjectURL(new Blob([SENDER], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  worker.postMessage({ port: port1, buffer: shared, commands: 20 }, [port1]);
  Atomics.wait(new Int32Array(shared), 1, 0);
  assertEquals(receivedCount, 0);
  await turns.take();
  assertEquals(receivedCount, 20);
  worker.terminate();
  URL.revokeObjectURL(url);
  port2.close();
});

Deno.test("CommandTurns.take() is not held up by a command that was received before it was counted", async () => {
  const counter = new CommandCounter();
  const turns = new CommandTurns(counter.buffer);
  turns.received();
  await turns.take();
  counter.add();
  await turns.take();
});
