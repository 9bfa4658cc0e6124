import { assertEquals } from "@std/assert/mod.js";
import { readTimings, tokensOfPieces } from "./answer_timings.ts";

const token = (offsetMs: number) => ({ offsetMs, step: offsetMs, worker: "" });
const offsets = (pieces: ReturnType<typeof tokensOfPieces>) =>
  pieces.map((tokens) => tokens.map(({ offsetMs }) => offsetMs));

Deno.test("readTimings gives each token its time, its step and its worker", () => {
  assertEquals(
    readTimings({
      workers: [
        { instance_id: "ddc38027-c4df", phase: "prefill", attempt: 1 },
        { instance_id: "2681a704-bb26", phase: "decode", attempt: 1 },
      ],
      queue_ms: 1.5,
      kv_transfer_ms: null,
      decode_ms: 20,
      token_offsets_ms: [10, 22.5],
      token_steps: [3, 90],
      token_workers: [0, 1],
    }),
    {
      tokens: [
        { offsetMs: 10, step: 3, worker: "prefill ddc38027" },
        { offsetMs: 22.5, step: 90, worker: "decode 2681a704" },
      ],
      stages: [{ name: "queue", ms: 1.5 }, { name: "decode", ms: 20 }],
    },
  );
  assertEquals(readTimings(undefined), null);
});

Deno.test("tokensOfPieces pairs tokens and pieces, the last token without text or not", () => {
  const tokens = [10, 20, 20, 30].map(token);
  assertEquals(offsets(tokensOfPieces(tokens, [110, 121, 121, 129])), [[10], [20], [20], [30]]);
  assertEquals(offsets(tokensOfPieces(tokens, [110, 121, 121])), [[10], [20], [20]]);
});

Deno.test("tokensOfPieces goes by the time where text waited for the token after it", () => {
  const tokens = [10, 20, 30, 40, 50].map(token);
  assertEquals(offsets(tokensOfPieces(tokens, [110, 130.5, 150])), [[10], [20, 30], [40, 50]]);
  assertEquals(offsets(tokensOfPieces(tokens, [110, 150, 150])), [[10], [20, 30, 40], [50]]);
  assertEquals(offsets(tokensOfPieces([], [1, 2])), [[], []]);
});
