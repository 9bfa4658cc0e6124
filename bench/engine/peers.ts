/** The engines that `bench/engine` compares, each as a command of its own process. */

import { basename, fromFileUrl } from "@std/path/mod.js";
import { isFile, withFileLock, writeFileAtomically } from "../../shared/download/mod.ts";
import { type ModelFile, openGguf, type TensorType } from "../../shared/weights/mod.ts";
import { buildLlamaBench } from "../peers/build_llama_bench.ts";
import { installPeers } from "../peers/install_peers.ts";
import { exportLlama, isNibbles } from "../peers/onnx/llama_onnx.ts";
import type { WeightBits } from "../peers/onnx/weight_blocks.ts";
import { PeerMissing } from "../peers/peer_missing.ts";
import { say } from "../say.ts";
import { CONTEXT_TOKENS } from "./cases.ts";
import type { PeerCommand } from "./peer_process.ts";

/** Part of the exported file's name: raise it when the export changes. */
const EXPORT_VERSION = 2;

/** Where an engine computes: on the WebGPU or Vulkan adapter, or on the CPU without one. */
export type PeerDevice = "cpu" | "adapter";

export interface EnginePeer extends PeerCommand {
  readonly device: PeerDevice;
  /** The weights that it computes with. */
  readonly weights: string;
  /** It reads the file's own types, so that the memory floor is its own. */
  readonly hasFileTypes: boolean;
  /** Decodes several sequences at once. */
  readonly isBatching: boolean;
  /** An engine that is not Baton: the benchmark goes on without it where it fails. */
  readonly isOptional: boolean;
  /** llama.cpp's bench program, which speaks no protocol. */
  readonly isLlamaBench?: boolean;
}

export interface EnginePeersOptions {
  readonly devices: readonly PeerDevice[];
  /** Another checkout whose engine is measured beside this one's. */
  readonly other?: string;
}

/** By device, Baton first; says on standard error why a peer cannot be had. */
export async function enginePeers(
  modelPath: string,
  { devices, other }: EnginePeersOptions,
): Promise<EnginePeer[]> {
  await using file = await openGguf(modelPath);
  const weights = [...new Set(matrixTypes(file))].join(", ");
  const ownBench = await ifHad(() => llamaBench(modelPath, weights));
  const npm = await ifHad(() => npmPeers(file, { weights, devices }));
  return devices.flatMap((device) => [
    baton(modelPath, { device, weights }),
    ...(other === undefined ? [] : [baton(modelPath, { device, weights, checkout: other })]),
    ...[ownBench ?? [], npm ?? []].flat().filter((peer) => peer.device === device),
  ]);
}

async function ifHad<T>(find: () => Promise<T>): Promise<T | null> {
  try {
    return await find();
  } catch (error) {
    if (!(error instanceof PeerMissing)) throw error;
    say(error.message);
    return null;
  }
}

function baton(
  modelPath: string,
  { device, weights, checkout }: {
    readonly device: PeerDevice;
    readonly weights: string;
    readonly checkout?: string;
  },
): EnginePeer {
  const script = checkout === undefined
    ? peerScript("baton.ts")
    : `${checkout.replace(/\/$/, "")}/bench/peers/baton.ts`;
  const name = device === "cpu" ? "Baton CPU" : "Baton WebGPU";
  return {
    name: checkout === undefined ? name : `${name}, other checkout`,
    device,
    weights,
    hasFileTypes: true,
    isBatching: true,
    isOptional: false,
    command: Deno.execPath(),
    args: ["run", "-A", script, modelPath, device === "cpu" ? "cpu" : "webgpu"],
  };
}

async function llamaBench(modelPath: string, weights: string): Promise<EnginePeer> {
  const threads = String(navigator.hardwareConcurrency);
  return {
    name: "llama.cpp, own bench",
    device: "cpu",
    weights,
    hasFileTypes: true,
    isBatching: true,
    isOptional: true,
    isLlamaBench: true,
    command: await buildLlamaBench(),
    args: ["-m", modelPath, "-t", threads, "-tb", threads, "-c", String(CONTEXT_TOKENS)],
  };
}

async function npmPeers(
  file: ModelFile,
  { weights, devices }: {
    readonly weights: string;
    readonly devices: readonly PeerDevice[];
  },
): Promise<EnginePeer[]> {
  const folder = await installPeers();
  const llama = (device: PeerDevice): EnginePeer => ({
    name: device === "cpu" ? "llama.cpp, in Node" : "llama.cpp Vulkan, in Node",
    device,
    weights,
    hasFileTypes: true,
    // Its binding packs sequences unevenly, and each new size compiles for half a minute.
    isBatching: false,
    isOptional: true,
    command: "node",
    args: [
      peerScript("llama_cpp.mjs"),
      file.path,
      device === "cpu" ? "cpu" : "vulkan",
      String(navigator.hardwareConcurrency),
      String(CONTEXT_TOKENS),
    ],
    cwd: folder,
    // Without it llama.cpp passes over software adapters.
    env: device === "cpu" ? {} : { GGML_VK_VISIBLE_DEVICES: "0" },
  });
  const onnx = async (device: PeerDevice, bits: WeightBits): Promise<EnginePeer> => ({
    name: `ONNX Runtime${device === "cpu" ? "" : " Web"}, ${bits} bits`,
    device,
    weights: bits === 8 ? "8 bits requantised" : "4 bits requantised, others 8",
    hasFileTypes: false,
    isBatching: true,
    isOptional: true,
    command: Deno.execPath(),
    args: [
      "run",
      "-A",
      peerScript("onnx_runtime.ts"),
      await exported(file, { bits, folder }),
      device,
      folder,
    ],
  });
  const allBits: readonly WeightBits[] = matrixTypes(file).some(isNibbles) ? [8, 4] : [8];
  const peers: EnginePeer[] = [];
  for (const device of devices) {
    peers.push(llama(device));
    for (const bits of allBits) peers.push(await onnx(device, bits));
  }
  return peers;
}

function peerScript(name: string): string {
  return fromFileUrl(new URL(`../peers/${name}`, import.meta.url));
}

function matrixTypes(file: ModelFile): TensorType[] {
  return [...file.tensors.values()].filter(({ shape }) => shape.length === 2)
    .map(({ type }) => type);
}

/** The model as ONNX, exported once and kept beside the peers. */
async function exported(
  file: ModelFile,
  { bits, folder }: { readonly bits: WeightBits; readonly folder: string },
): Promise<string> {
  const { size, mtime } = await Deno.stat(file.path);
  const key = `${size}-${mtime?.getTime() ?? 0}-${bits}bit-v${EXPORT_VERSION}`;
  const path = `${folder}/onnx/${basename(file.path, ".gguf")}-${key}.onnx`;
  await withFileLock(path, async () => {
    if (await isFile(path)) return;
    const content = exportLlama(file, { nibbleBits: bits });
    await writeFileAtomically(path, content, { maxBytes: Number.MAX_SAFE_INTEGER });
  });
  return path;
}
