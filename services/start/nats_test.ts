import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert/mod.js";
import { planNatsServer, reachNats } from "./nats.ts";

Deno.test("planNatsServer runs the program on a local port, under a name of its own", () => {
  const { url, spec } = planNatsServer("/bin/nats-server");
  assertMatch(url, /^nats:\/\/127\.0\.0\.1:\d+$/);
  const { BATON_NATS_NAME, BATON_NATS_PORT } = spec.env();
  assertMatch(BATON_NATS_NAME ?? "", /^baton-\S+$/);
  assertEquals(BATON_NATS_PORT, new URL(url).port);
  assertEquals(spec.command.slice(-3, -1), ["/bin/nats-server", "--config"]);
  assertNotEquals(planNatsServer("/bin/nats-server").spec.env().BATON_NATS_NAME, BATON_NATS_NAME);
});

Deno.test("planNatsServer takes another port where a server took its own first, and is not ready by that one", async () => {
  const nats = planNatsServer("/bin/nats-server");
  const { port, hostname } = new URL(nats.url);
  using other = Deno.listen({ hostname, port: Number(port) });
  const asked = nats.spec.isReady();
  using connection = await other.accept();
  await connection.write(new TextEncoder().encode('INFO {"server_name":"baton-other"}\r\n'));
  assertEquals(await asked, false);
  assertNotEquals(nats.spec.env().BATON_NATS_PORT, port);
  assertEquals(nats.spec.env().BATON_NATS_PORT, new URL(nats.url).port);
});

Deno.test("reachNats names the setting, and no password, where nobody answers in time", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const { message } = await assertRejects(
    () => reachNats(`nats://user:secret@127.0.0.1:${port}`, 1),
    Error,
    `Cannot connect to NATS at 127.0.0.1:${port}`,
  );
  assertMatch(message, /; correct NATS_URL, or unset it and start runs its own server$/);
  assertEquals(message.includes("secret"), false);
  await assertRejects(() => reachNats("http://h", 1), Error, 'Cannot read the NATS URL "http://h"');
});
