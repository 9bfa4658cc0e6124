import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { type ChatPiece, readChatStream } from "./chat_stream.ts";

/** The bytes of `text`, `size` at a time. */
function bytesOf(text: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  const parts = Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, index) => bytes.subarray(index * size, (index + 1) * size),
  );
  return ReadableStream.from(parts);
}

async function read(text: string, size = 7): Promise<ChatPiece[]> {
  return await Array.fromAsync(readChatStream(bytesOf(text, size)));
}

const piece = (content: string, finishReason: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ delta: { content }, finish_reason: finishReason }] })}\n\n`;

Deno.test("readChatStream gives the text however the bytes are cut", async () => {
  const text = `: keep-alive\n\n${piece("Grüße 🌊")}${piece("", "stop")}data: [DONE]\n\n`;
  for (const size of [1, 2, 5, 1000]) {
    assertEquals(await read(text, size), [
      { text: "Grüße 🌊", tokens: [], finishReason: "", timings: null },
      { text: "", tokens: [], finishReason: "stop", timings: null },
    ]);
  }
});

Deno.test("readChatStream fails with the server's words, and when the stream breaks off", async () => {
  const error = `data: {"error":{"message":"the worker died"}}\n\n`;
  await assertRejects(() => read(piece("a") + error), Error, "the worker died");
  await assertRejects(() => read(piece("a")), Error, "broke off");
});

Deno.test("readChatStream reads pieces without the parts it looks for", async () => {
  const text = `data: {}\ndata: {"choices":[]}\ndata: {"choices":[{"delta":{"content":3}}]}\n`;
  const empty = { text: "", tokens: [], finishReason: "", timings: null };
  assertEquals(await read(`${text}data: [DONE]\n`), [empty, empty, empty]);
});

Deno.test("readChatStream passes on the tokens of each piece and the timings of the last", async () => {
  const first = { token_timings: [{ offset_ms: 5, step: 1 }] };
  const last = { choices: [], timings: { token_offsets_ms: [5] } };
  const pieces = await read(
    `data: ${JSON.stringify(first)}\n\ndata: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`,
  );
  assertEquals(pieces.map(({ tokens }) => tokens), [[{ offsetMs: 5, step: 1, worker: "" }], []]);
  assertEquals(pieces.at(-1)?.timings, { tokenCount: 1, stages: [] });
});
