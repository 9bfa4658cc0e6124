/**
 * The other end of a test, in a process of its own so that it can be killed: serves, calls, sends
 * or receives as its arguments say, and prints a line when it is connected and when it is under way.
 */

import { connectTestBus, generateSubject, WATCHFUL } from "./bus_kit.ts";

export type PeerTask = "serve" | "call" | "send" | "receive";

if (import.meta.main) await runPeer(Deno.args);

async function runPeer([url = "", task, subject = ""]: string[]): Promise<void> {
  const bus = await connectTestBus({ url }, WATCHFUL);
  await report("connected");
  switch (task as PeerTask) {
    case "serve":
      bus.serve("decode", "generate", subject, async (call) => {
        call.send("started");
        await new Promise(() => {});
      });
      await bus.ping();
      await report("ready");
      return;
    case "call":
      for await (const _ of bus.call(generateSubject(subject), null)) await report("ready");
      return;
    case "send": {
      const transfer = bus.send(subject);
      await transfer.write(null, new Uint8Array(1 << 20));
      await report("ready");
      return;
    }
    case "receive":
      for await (const _ of bus.receive(subject)) await report("ready");
      return;
  }
}

async function report(line: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
}
