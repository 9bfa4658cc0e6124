/** Installs the peers of the benchmarks into the cache, never into the repository. */

import { cacheDirectory } from "../../shared/download/mod.ts";
import { say } from "../say.ts";
import { PeerMissing } from "./peer_missing.ts";

const PACKAGES = [
  "node-llama-cpp@3.22.1",
  "onnxruntime-node@1.30.0",
  "onnxruntime-web@1.31.0-dev.20260914-8d85527a0",
];

/** Returns the folder whose `node_modules` holds the peers. Throws a PeerMissing. */
export async function installPeers(): Promise<string> {
  const env = Deno.env.toObject();
  const cache = cacheDirectory({ os: Deno.build.os, env, override: env.DYN_CACHE_DIR });
  const directory = `${cache}/bench-peers`;
  const stamp = `${directory}/installed`;
  const wanted = PACKAGES.join("\n");
  if (await Deno.readTextFile(stamp).catch(() => "") === wanted) return directory;
  say(`Installing ${PACKAGES.join(", ")} into ${directory}, once`);
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeTextFile(`${directory}/package.json`, '{ "private": true }\n');
  const install = new Deno.Command("npm", {
    // Their install scripts would build from source; the prebuilt binaries are in the packages.
    args: ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...PACKAGES],
    cwd: directory,
    stdout: "null",
  });
  const { code } = await install.output().catch(() => ({ code: -1 }));
  if (code !== 0) {
    throw new PeerMissing(
      "Cannot measure llama.cpp through Node and ONNX Runtime: npm could not install them. " +
        "Install Node 20 or newer with npm.",
    );
  }
  await Deno.writeTextFile(stamp, wanted);
  return directory;
}
