/** The engines that `bench/engine.ts` compares, each as a command of its own process. */

import { basename, fromFileUrl } from "@std/path/mod.js";
import { isFile, withFileLock, writeFileAtomically } from "../shared/download/mod.ts";
import { type ModelFile, openGguf, type TensorType } from "../shared/weights/mod.ts";
import { installPeers, PeerMissing } from "./install_peers.ts";
import { exportLlama, isNibbles } from "./peers/onnx/llama_onnx.ts";
import type { WeightBits } from "./peers/onnx/weight_blocks.ts";
import type { PeerCommand } from "./peer_process.ts";

/** Part of the exported file's name: raise it when the export changes. */
const EXPORT_VERSION = 2;

export interface EnginePeer extends PeerCommand {
  /** Where it computes: on the WebGPU or Vulkan adapter, or on the CPU without one. */
  readonly device: "adapter" | "cpu";
  /** The weights that it computes with. */
  readonly weights: string;
  /** Decodes several sequences at once. */
  readonly isBatching: boolean;
}

/** Baton first, then every peer that can be had here; says on standard error why one cannot. */
export async function enginePeers(modelPath: string): Promise<EnginePeer[]> {
  await using file = await openGguf(modelPath);
  const fileTypes = [...new Set(matrixTypes(file))].join(", ");
  const baton = (device: "webgpu" | "cpu"): EnginePeer => ({
    name: device === "webgpu" ? "Baton WebGPU" : "Baton CPU",
    device: device === "webgpu" ? "adapter" : "cpu",
    weights: fileTypes,
    isBatching: true,
    command: Deno.execPath(),
    args: ["run", "-A", peerScript("baton.ts"), modelPath, device],
  });
  const own = [baton("webgpu"), baton("cpu")];
  try {
    const folder = await installPeers();
    const llama = (device: "vulkan" | "cpu"): EnginePeer => ({
      name: device === "vulkan" ? "llama.cpp Vulkan" : "llama.cpp CPU",
      device: device === "vulkan" ? "adapter" : "cpu",
      weights: fileTypes,
      // Its binding packs sequences unevenly, and each new size compiles for half a minute.
      isBatching: false,
      command: "node",
      args: [peerScript("llama_cpp.mjs"), modelPath, device],
      cwd: folder,
      // Without it llama.cpp passes over software adapters.
      env: device === "vulkan" ? { GGML_VK_VISIBLE_DEVICES: "0" } : {},
    });
    const ort = async (bits: WeightBits): Promise<EnginePeer> => ({
      name: `ONNX Runtime Web, ${bits} bits`,
      device: "adapter",
      weights: bits === 8 ? "8 bits requantised" : "4 bits requantised, others 8",
      isBatching: true,
      command: Deno.execPath(),
      args: ["run", "-A", peerScript("ort_web.ts"), await exported(file, { bits, folder }), folder],
    });
    const runtimes = [await ort(8)];
    if (matrixTypes(file).some(isNibbles)) runtimes.push(await ort(4));
    return [...own, llama("vulkan"), ...runtimes, llama("cpu")];
  } catch (error) {
    if (!(error instanceof PeerMissing)) throw error;
    await Deno.stderr.write(new TextEncoder().encode(`${error.message}\n`));
    return own;
  }
}

function peerScript(name: string): string {
  return fromFileUrl(new URL(`./peers/${name}`, import.meta.url));
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
