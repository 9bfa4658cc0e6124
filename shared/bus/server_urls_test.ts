import { assertEquals, assertFalse, assertThrows } from "@std/assert/mod.js";
import { parseServerUrls } from "./server_urls.ts";

Deno.test("parseServerUrls() reads hosts and ports, 4222 when none is given", () => {
  assertEquals(parseServerUrls("nats://a:4333, nats://b ,c:1,nats://[::1]:5"), {
    transport: "tcp",
    servers: ["a:4333", "b:4222", "c:1", "[::1]:5"],
    requiresTls: false,
  });
});

Deno.test("parseServerUrls() reads a user and password, percent-encoded", () => {
  assertEquals(parseServerUrls("nats://a,nats://me:p%40ss@b:1"), {
    transport: "tcp",
    servers: ["a:4222", "b:1"],
    requiresTls: false,
    user: "me",
    password: "p@ss",
  });
});

Deno.test("parseServerUrls() takes a user without a password as a token", () => {
  assertEquals(parseServerUrls("nats://secret@a").token, "secret");
});

Deno.test("parseServerUrls() keeps the path of a WebSocket URL and drops its credentials", () => {
  assertEquals(parseServerUrls("wss://u:p@edge.example/nats?x=1,wss://other:8443"), {
    transport: "websocket",
    servers: ["wss://edge.example/nats?x=1", "wss://other:8443/"],
    requiresTls: false,
    user: "u",
    password: "p",
  });
});

Deno.test("parseServerUrls() refuses what it cannot serve, and says what to write", () => {
  for (
    const [url, message] of [
      ["", "empty"],
      [" , ", "empty"],
      ["http://a", "use nats://"],
      ["nats://", "host"],
      ["nats://a,ws://b", "cannot be mixed"],
    ] as const
  ) {
    assertThrows(() => parseServerUrls(url), TypeError, message);
  }
});

Deno.test("parseServerUrls() never repeats credentials in an error", () => {
  const error = assertThrows(() => parseServerUrls("http://me:hunter2@a"), TypeError);
  assertFalse(error.message.includes("hunter2"));
});

Deno.test("parseServerUrls() demands TLS of all servers when one URL says tls://", () => {
  assertEquals(parseServerUrls("nats://a,tls://b"), {
    transport: "tcp",
    servers: ["a:4222", "b:4222"],
    requiresTls: true,
  });
});
