import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { serveHttp } from "./http_server.ts";

Deno.test("serveHttp() serves, and says which settings to change when the port is taken", async () => {
  const hostname = "127.0.0.1";
  const settings = "DYN_HTTP_HOST or DYN_HTTP_PORT";
  await using server = serveHttp(() => new Response("a"), { hostname, port: 0, settings });
  const { port } = server.addr;
  assertEquals(await (await fetch(`http://${hostname}:${port}/`)).text(), "a");
  const error = assertThrows(
    () => serveHttp(() => new Response("b"), { hostname, port, settings }),
    Error,
    `Cannot listen on ${hostname}:${port}`,
  );
  assertEquals(error.message.endsWith(`; set ${settings}`), true);
});
