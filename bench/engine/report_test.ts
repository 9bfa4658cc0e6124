import { assertStringIncludes } from "@std/assert/mod.js";
import { type EngineCase, engineCases, type Speed } from "./cases.ts";
import type { EnginePeer, PeerDevice } from "./peers.ts";
import { engineSection, type PeerFigures } from "./report.ts";

const CASES = engineCases(8192, 64);
const { short, batches: [four, eight], long } = CASES;

function peer(name: string, device: PeerDevice, rest: Partial<EnginePeer> = {}): EnginePeer {
  return {
    name,
    device,
    weights: "Q4_1",
    hasFileTypes: true,
    isBatching: true,
    isOptional: true,
    command: "",
    args: [],
    ...rest,
  };
}

function row(peer: EnginePeer, speeds: readonly (readonly [EngineCase, Speed])[]): PeerFigures {
  const start = { loadMs: 500, readyMs: 700, loadedBytes: 100 << 20 };
  return {
    peer,
    start,
    firstTokenMs: 800,
    peakBytes: 150 << 20,
    speeds: new Map(speeds),
    sameTokens: 24,
  };
}

const SECTION = engineSection("m", [
  row(peer("Baton CPU", "cpu"), [
    [short, { prefill: 600, decode: 100 }],
    [four, { prefill: 1, decode: 250 }],
    [eight, { prefill: 1, decode: 400 }],
    [long, { prefill: 500, decode: 80 }],
  ]),
  row(peer("other", "cpu", { hasFileTypes: false }), [
    [short, { prefill: 1200, decode: 50 }],
    [four, { prefill: 1, decode: 50 }],
  ]),
  row(peer("Baton WebGPU", "adapter"), [[short, { prefill: 100, decode: 10 }]]),
], {
  weightBytes: 100e6,
  bandwidths: { cpu: 40e9, adapter: 20e9 },
  cases: CASES,
  contextLength: 8192,
  checkTokens: 24,
});

Deno.test("engineSection compares engines with Baton on the same device and with the floor", () => {
  assertStringIncludes(SECTION, "memory allows 400 tokens/s on the CPU and 200 on the adapter");
  assertStringIncludes(SECTION, "| Baton CPU | 600 | 1 | 100 | 1 | 25 % |");
  assertStringIncludes(SECTION, "| Baton WebGPU | 100 | 1 | 10 | 1 | 5 % |");
  assertStringIncludes(SECTION, "decodes 10 times as fast on the CPU");
});

Deno.test("engineSection gives an engine with weights of its own no share of the file's floor", () => {
  assertStringIncludes(SECTION, "| other | 1,200 | 0.5 | 50 | 2 | – |");
});

Deno.test("engineSection tells batches beside one sequence, and what was not measured by a dash", () => {
  assertStringIncludes(SECTION, "| Baton CPU | 100 | 250 (2.5x) | 1 | 400 (4x) | 1 |");
  assertStringIncludes(SECTION, "| other | 50 | 50 (1x) | 5 | – | – |");
});
