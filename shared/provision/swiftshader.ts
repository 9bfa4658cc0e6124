/**
 * SwiftShader: a Vulkan driver on the CPU that needs no root, for Linux on x86-64.
 *
 * It comes with its own loader inside an npm package made for headless Chromium; only these three
 * files are taken, each pinned by checksum.
 */

import { join } from "@std/path/mod.js";
import {
  type DownloadOptions,
  fetchNpmFile,
  fileSha256,
  isFile,
  readTar,
  type Registries,
  withFileLock,
  writeFileAtomically,
} from "../download/mod.ts";

const PACKAGE = { name: "@sparticuz/chromium", version: "147.0.0" };
const ARCHIVE = "package/bin/swiftshader.tar.br";
const ARCHIVE_SHA256 = "f957ea867313f9815b71dc2ed30cce301e01db4f3973fbdb31ffa5391b0ec45a";
const ICD = "vk_swiftshader_icd.json";
const FILES: ReadonlyMap<string, string> = new Map([
  ["libvulkan.so.1", "fe17a77c1f2df38d3b6a935140f746fd80aac564bb44eb3e4f6b75a504295a41"],
  ["libvk_swiftshader.so", "5b9e8591c7c2d1c9618c3ad485d0cdffb81f5f1ffd6a982fdb6578c2d8d3213e"],
  [ICD, "c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd"],
]);
const MAX_FILE_BYTES = 64 * 1024 * 1024;

export interface SwiftShaderOptions
  extends
    Pick<DownloadOptions, "onProgress" | "signal" | "cacheOnly" | "attempts" | "retryDelayMs"> {
  readonly cacheDir: string;
  readonly registries: Registries;
  /** The LD_LIBRARY_PATH that children would have otherwise. */
  readonly libraryPath?: string;
}

/** Fetches the driver when needed; returns the environment in which a process finds it. */
export async function ensureSwiftShader(
  options: SwiftShaderOptions,
): Promise<Readonly<Record<string, string>>> {
  const folder = join(options.cacheDir, "swiftshader", PACKAGE.version);
  await withFileLock(join(folder, "driver"), async () => {
    if (await isComplete(folder)) return;
    const archive = await fetchNpmFile(PACKAGE, ARCHIVE, {
      ...options,
      item: "software Vulkan driver SwiftShader",
      sha256: ARCHIVE_SHA256,
    });
    await unpack(archive, folder);
  }, options);
  return {
    LD_LIBRARY_PATH: options.libraryPath ? `${folder}:${options.libraryPath}` : folder,
    VK_ICD_FILENAMES: join(folder, ICD),
    VK_DRIVER_FILES: join(folder, ICD),
  };
}

async function isComplete(folder: string): Promise<boolean> {
  for (const [name, sha256] of FILES) {
    const path = join(folder, name);
    if (!await isFile(path) || await fileSha256(path) !== sha256) return false;
  }
  return true;
}

async function unpack(archive: string, folder: string): Promise<void> {
  const file = await Deno.open(archive);
  const stream = file.readable.pipeThrough(new DecompressionStream("brotli"));
  for await (const entry of readTar(stream)) {
    const sha256 = FILES.get(entry.name);
    if (sha256 === undefined) continue;
    await writeFileAtomically(join(folder, entry.name), entry.body, {
      maxBytes: MAX_FILE_BYTES,
      sha256,
    });
  }
}
