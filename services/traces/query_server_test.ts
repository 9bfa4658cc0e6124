import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { serveQueries } from "./query_server.ts";

const LOCAL = { hostname: "127.0.0.1", port: 0 };

Deno.test("serveQueries tells of a client that leaves before its answer, whatever the body's size", async () => {
  const arrived = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const server = await serveQueries(async (request) => {
    request.signal.addEventListener("abort", () => left.resolve());
    arrived.resolve();
    await left.promise;
    return new Response();
  }, LOCAL);
  const leave = new AbortController();
  const answer = fetch(`http://127.0.0.1:${server.port}/`, {
    method: "POST",
    body: "x".repeat(4096),
    signal: leave.signal,
  });
  await arrived.promise;
  leave.abort();
  await assertRejects(() => answer);
  await left.promise;
  await server.shutdown();
});

Deno.test("serveQueries answers what runs before it shuts down, kept connections or not", async () => {
  const answer = Promise.withResolvers<Response>();
  const arrived = Promise.withResolvers<void>();
  const server = await serveQueries((request) => {
    if (request.url.endsWith("/fast")) return new Response("fast");
    arrived.resolve();
    return answer.promise;
  }, LOCAL);
  const url = `http://127.0.0.1:${server.port}`;
  assertEquals(await (await fetch(`${url}/fast`)).text(), "fast");
  const slow = fetch(`${url}/slow`);
  await arrived.promise;
  const shut = server.shutdown();
  answer.resolve(new Response("slow"));
  assertEquals(await (await slow).text(), "slow");
  await shut;
});

Deno.test("serveQueries says what to set when the port is taken", async () => {
  const server = await serveQueries(() => new Response(), LOCAL);
  await assertRejects(
    () => serveQueries(() => new Response(), { hostname: "127.0.0.1", port: server.port }),
    Error,
    "set DYN_TRACES_HOST or DYN_TRACES_QUERY_PORT",
  );
  await server.shutdown();
});
