/**
 * Measures the bus between two processes: latency of a call's first frame, frames a second of one
 * stream, and bytes a second of transfers.
 *
 *     deno run -A bench/bus_bench.ts --url nats://127.0.0.1:4222
 */

import { parseArgs } from "@std/cli/parse_args.js";
import { type Bus, connectBus } from "../shared/bus/mod.ts";
import { endpointSubject } from "../shared/messages/mod.ts";

const NAMESPACE = "bus-bench";
const SUBJECT = endpointSubject(NAMESPACE, "decode", "generate", "peer");
const CALLS = 500;
const STREAM_FRAMES = 50_000;
const PART_BYTES = 8 << 20;
const PARTS = 8;
const ROUNDS = 5;

interface PeerRequest {
  readonly frames: number;
  /** Where to send parts to instead of frames. */
  readonly transferSubject?: string;
}

if (import.meta.main) await main(Deno.args);

async function main(args: string[]): Promise<void> {
  const { url, peer } = parseArgs(args, {
    string: ["url"],
    boolean: ["peer"],
    default: { url: "nats://127.0.0.1:4222" },
  });
  await using bus = await connectBus({
    url,
    namespace: NAMESPACE,
    clientName: peer ? "bus-bench-peer" : "bus-bench",
    connectTimeoutMs: 5_000,
  });
  if (peer) return await serve(bus);
  await using _peer = await startPeer(url);
  const firstFrames = await measureFirstFrames(bus);
  const framesPerSecond = await measureStream(bus);
  const megabytesPerSecond = await measureTransfers(bus);
  await print([
    ["first frame, median", `${percentile(firstFrames, 0.5).toFixed(2)} ms`],
    ["first frame, 99th percentile", `${percentile(firstFrames, 0.99).toFixed(2)} ms`],
    ["frames of one stream", `${Math.round(framesPerSecond)} /s`],
    [
      `transfers of ${(PART_BYTES * PARTS) >> 20} MiB, median of ${ROUNDS}`,
      `${Math.round(percentile(megabytesPerSecond, 0.5))} MB/s`,
    ],
  ]);
}

/** Answers calls until the input closes, which it does when the parent dies too. */
async function serve(bus: Bus): Promise<void> {
  bus.serve("decode", "generate", "peer", async (call) => {
    // Both ends are this file.
    const request = call.payload as PeerRequest;
    for (let index = 0; index < request.frames; index++) {
      call.send({ kind: "tokens", index, ids: [index], step: index });
    }
    if (request.transferSubject === undefined) return;
    const transfer = bus.send(request.transferSubject);
    const part = new Uint8Array(PART_BYTES);
    for (let index = 0; index < PARTS; index++) await transfer.write(index, part);
    await transfer.finish(null);
  });
  await bus.ping();
  await print([["peer", "ready"]]);
  for await (const _ of Deno.stdin.readable);
}

async function startPeer(url: string): Promise<AsyncDisposable> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", import.meta.url, "--peer", "--url", url],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const output = process.stdout.getReader();
  if ((await output.read()).done) throw new Error("The peer process ended before it was ready");
  return {
    [Symbol.asyncDispose]: async () => {
      await process.stdin.close();
      await output.cancel();
      await process.status;
    },
  };
}

async function measureFirstFrames(bus: Bus): Promise<number[]> {
  const latenciesMs: number[] = [];
  const request: PeerRequest = { frames: 1 };
  for (let call = 0; call < CALLS; call++) {
    const startMs = performance.now();
    for await (const _ of bus.call(SUBJECT, request)) latenciesMs.push(performance.now() - startMs);
  }
  return latenciesMs;
}

async function measureStream(bus: Bus): Promise<number> {
  const request: PeerRequest = { frames: STREAM_FRAMES };
  const startMs = performance.now();
  let frames = 0;
  for await (const _ of bus.call(SUBJECT, request)) frames++;
  return frames / (performance.now() - startMs) * 1e3;
}

async function measureTransfers(bus: Bus): Promise<number[]> {
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const transferSubject = bus.transferSubject(`round-${round}`);
    const request: PeerRequest = { frames: 0, transferSubject };
    const incoming = bus.receive(transferSubject);
    const call = Array.fromAsync(bus.call(SUBJECT, request));
    for await (const part of incoming) {
      if (part.kind === "part") continue;
      const { bytes, startedAtMs, endedAtMs } = part.stats;
      rates.push(bytes / 1e6 / (endedAtMs - startedAtMs) * 1e3);
    }
    await call;
  }
  return rates;
}

function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? NaN;
}

async function print(rows: readonly (readonly [string, string])[]): Promise<void> {
  const lines = rows.map(([name, value]) => `${name.padEnd(36)}${value}\n`).join("");
  await Deno.stdout.write(new TextEncoder().encode(lines));
}
