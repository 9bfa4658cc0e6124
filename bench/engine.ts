/**
 * Prefill and decode tokens/s of Baton beside its peers on the adapter at hand.
 *
 * Every engine is loaded once in its own process; rounds are interleaved, so that drift of a shared
 * machine hits all alike; the first round warms up and is not counted; medians are reported, and
 * ratios only within one run.
 */

import { resolveModelFor } from "../shared/weights/sources/mod.ts";
import { openGguf } from "../shared/weights/mod.ts";
import { adapterName, copyBandwidth } from "./memory_floor.ts";
import { installPeers, PeerMissing } from "./install_peers.ts";
import { type PeerCommand, PeerProcess, type PeerRound } from "./peer_process.ts";
import { figure, median } from "./statistics.ts";

export interface EngineBenchOptions {
  readonly models: readonly string[];
  readonly rounds: number;
  readonly promptTokens: number;
  readonly decodeTokens: number;
}

interface PeerFigures {
  readonly name: string;
  readonly loadMs: number;
  readonly peakBytes: number | null;
  readonly prefill: number;
  readonly decode: number;
}

/** Runs the benchmark and returns its report as Markdown. */
export async function benchEngine(options: EngineBenchOptions): Promise<string> {
  const parts = [
    `Adapter: ${await adapterName()}. ${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}. ` +
    `Prompt ${options.promptTokens} tokens, ${options.decodeTokens} decoded, ` +
    `${options.rounds} interleaved rounds after one to warm up, medians.`,
  ];
  const bandwidth = await copyBandwidth();
  for (const alias of options.models) {
    const model = await resolveModelFor(alias, { env: Deno.env.toObject() });
    const weightBytes = await bytesPerToken(model.path);
    const floor = bandwidth / weightBytes;
    const figures = await measure(await peersFor(model.path, options), options.rounds);
    parts.push(section(model.name, figures, { weightBytes, floor, bandwidth }));
  }
  return parts.join("\n\n") + "\n";
}

/** Weight bytes that one decoded token must read at least: every matrix once. */
async function bytesPerToken(path: string): Promise<number> {
  await using file = await openGguf(path);
  let bytes = 0;
  for (const tensor of file.tensors.values()) {
    if (tensor.shape.length < 2) continue;
    const isLookup = tensor.name === "token_embd.weight" && !file.shape.isTied;
    if (!isLookup) bytes += tensor.byteLength;
  }
  return bytes;
}

async function peersFor(modelPath: string, options: EngineBenchOptions): Promise<PeerCommand[]> {
  const counts = [String(options.promptTokens), String(options.decodeTokens)];
  const baton: PeerCommand = {
    name: "Baton",
    command: Deno.execPath(),
    args: [
      "run",
      "-A",
      new URL("./peers/baton.ts", import.meta.url).pathname,
      modelPath,
      ...counts,
    ],
  };
  try {
    const directory = await installPeers();
    const script = new URL("./peers/llama_cpp.mjs", import.meta.url).pathname;
    const llama = (device: string, env: Record<string, string>): PeerCommand => ({
      name: `llama.cpp ${device} (node-llama-cpp)`,
      command: "node",
      args: [script, modelPath, device, ...counts],
      cwd: directory,
      env,
    });
    return [baton, llama("vulkan", { GGML_VK_VISIBLE_DEVICES: "0" }), llama("cpu", {})];
  } catch (error) {
    if (!(error instanceof PeerMissing)) throw error;
    await Deno.stderr.write(new TextEncoder().encode(`${error.message}\n`));
    return [baton];
  }
}

async function measure(peers: readonly PeerCommand[], rounds: number): Promise<PeerFigures[]> {
  const running: PeerProcess[] = [];
  const results = new Map<string, PeerRound[]>();
  for (const peer of peers) {
    running.push(await PeerProcess.start(peer));
    results.set(peer.name, []);
  }
  for (let round = 0; round <= rounds; round++) {
    for (const peer of running) {
      const result = await peer.round();
      if (round > 0) results.get(peer.name)?.push(result);
    }
  }
  const figures: PeerFigures[] = [];
  for (const peer of running) {
    const list = results.get(peer.name) ?? [];
    figures.push({
      name: peer.name,
      loadMs: peer.loadMs,
      peakBytes: await peer.peakBytes(),
      prefill: median(list.map((round) => round.prefillTokensPerSecond)),
      decode: median(list.map((round) => round.decodeTokensPerSecond)),
    });
    await peer.close();
  }
  return figures;
}

function section(
  name: string,
  figures: readonly PeerFigures[],
  memory: { weightBytes: number; floor: number; bandwidth: number },
): string {
  const baton = figures[0];
  const rows = figures.map((peer) => {
    const ratio = (own: number, other: number) => peer === baton ? "1" : figure(own / other);
    return `| ${peer.name} | ${figure(peer.prefill)} | ${
      ratio(baton?.prefill ?? NaN, peer.prefill)
    } | ${figure(peer.decode)} | ${ratio(baton?.decode ?? NaN, peer.decode)} | ${
      figure(peer.decode / memory.floor * 100)
    } % | ${figure(peer.loadMs / 1e3)} s | ${
      peer.peakBytes === null ? "–" : figure(peer.peakBytes / 2 ** 20)
    } |`;
  });
  return [
    `### ${name}`,
    `Memory floor of decode: ${figure(memory.weightBytes / 1e6)} MB of weights a token, ` +
    `${figure(memory.bandwidth / 1e9)} GB/s copied by the adapter (read + write): ` +
    `${figure(memory.floor)} tokens/s.`,
    "| engine | prefill tok/s | Baton / it | decode tok/s | Baton / it | of the floor | load | peak MiB |\n" +
    "| --- | --- | --- | --- | --- | --- | --- | --- |\n" + rows.join("\n"),
  ].join("\n\n");
}
