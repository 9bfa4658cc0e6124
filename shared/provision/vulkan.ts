/**
 * A WebGPU adapter for the workers, in the order of preference: what the machine has; on Debian and
 * Ubuntu as root, Mesa's drivers by apt; SwiftShader in the user's cache.
 *
 * macOS and Windows bring WebGPU with the system: there is nothing to install there. On Linux only
 * Vulkan counts: Deno also finds OpenGL adapters, which the engine is not tested on.
 */

import { join } from "@std/path/mod.js";
import { DownloadError } from "../download/mod.ts";
import { type AdapterSummary, findAdapter } from "./adapter.ts";
import { ProvisionError } from "./errors.ts";
import { type RunCommand, runCommand } from "./run_command.ts";
import { ensureSwiftShader, type SwiftShaderOptions } from "./swiftshader.ts";

const APT_PACKAGES = ["mesa-vulkan-drivers", "libvulkan1"];
export const APT_COMMAND = ["apt-get", "install", "-y", "--no-install-recommends", ...APT_PACKAGES];

/** Where an adapter is looked for. */
export interface VulkanProbeOptions {
  /** `Deno.build.os`. */
  readonly os: typeof Deno.build.os;
  /** The environment that children start from. */
  readonly env: Readonly<Record<string, string>>;
  readonly cacheDir: string;
  /** Replaced in tests. */
  readonly run?: RunCommand;
  readonly signal?: AbortSignal;
}

export interface VulkanOptions
  extends VulkanProbeOptions, Omit<SwiftShaderOptions, "libraryPath" | "signal"> {
  /** `Deno.build.arch`. */
  readonly arch: typeof Deno.build.arch;
  readonly isRoot: boolean;
  /** False: change nothing on the system, say what to run instead. */
  readonly canInstall: boolean;
  /** Told before anything is installed or fetched. */
  readonly announce: (line: string) => void;
}

export interface VulkanSetup {
  readonly adapter: AdapterSummary;
  /** To add to the environment of every process that uses the adapter. */
  readonly env: Readonly<Record<string, string>>;
}

/** The adapter that is there already; null without one. */
export async function findVulkan(options: VulkanProbeOptions): Promise<VulkanSetup | null> {
  const env = { ...backendChoice(options), ...await runtimeDirectory(options) };
  const adapter = await probe(options, env);
  return adapter === null ? null : { adapter, env };
}

/** Finds or installs a driver. Throws a ProvisionError with the command that would help. */
export async function ensureVulkan(options: VulkanOptions): Promise<VulkanSetup> {
  const present = await findVulkan(options);
  if (present !== null) return present;
  const runtimeEnv = { ...backendChoice(options), ...await runtimeDirectory(options) };
  if (options.os !== "linux") {
    throw new ProvisionError(
      "Cannot find a WebGPU adapter: update the graphics driver of this system",
    );
  }
  const hasApt = await (options.run ?? runCommand)(["apt-get", "--version"]) !== undefined;
  const remedy = hasApt
    ? `run: ${options.isRoot ? "" : "sudo "}${APT_COMMAND.join(" ")}`
    : "install a Vulkan driver and loader (Mesa: mesa-vulkan-drivers and libvulkan1)";
  if (!options.canInstall) {
    const cached = await tryCachedSwiftShader(options, runtimeEnv);
    if (cached !== undefined) return cached;
    throw new ProvisionError(`Cannot find a WebGPU adapter, and may not install one: ${remedy}`);
  }
  const problems: string[] = [];
  if (hasApt && options.isRoot) {
    options.announce(`No WebGPU adapter here. Installing a driver: ${APT_COMMAND.join(" ")}`);
    problems.push(...await installByApt(options));
    const installed = await probe(options, runtimeEnv);
    if (installed !== null) return { adapter: installed, env: runtimeEnv };
  }
  return await fallBackToSwiftShader(options, { runtimeEnv, problems, remedy });
}

async function fallBackToSwiftShader(
  options: VulkanOptions,
  state: {
    readonly runtimeEnv: Readonly<Record<string, string>>;
    readonly problems: readonly string[];
    readonly remedy: string;
  },
): Promise<VulkanSetup> {
  const problems = [...state.problems];
  const cached = await tryCachedSwiftShader(options, state.runtimeEnv);
  if (cached !== undefined) return cached;
  if (options.arch === "x86_64") {
    options.announce(
      "No WebGPU adapter here. Fetching the software driver SwiftShader into the cache " +
        `(slow; for a better one, ${state.remedy})`,
    );
    try {
      const setup = await trySwiftShader(options, state.runtimeEnv);
      if (setup !== undefined) return setup;
      problems.push("SwiftShader does not start on this machine");
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      problems.push(error.message);
    }
  }
  const reasons = problems.length === 0 ? "" : ` (${problems.join("; ")})`;
  throw new ProvisionError(`Cannot find a WebGPU adapter${reasons}: ${state.remedy}`);
}

/** Undefined when the driver does not start here. Throws a DownloadError. */
async function trySwiftShader(
  options: VulkanOptions,
  runtimeEnv: Readonly<Record<string, string>>,
): Promise<VulkanSetup | undefined> {
  const libraryPath = options.env.LD_LIBRARY_PATH;
  const env = { ...runtimeEnv, ...await ensureSwiftShader({ ...options, libraryPath }) };
  const adapter = await probe(options, env);
  return adapter === null ? undefined : { adapter, env };
}

async function tryCachedSwiftShader(
  options: VulkanOptions,
  runtimeEnv: Readonly<Record<string, string>>,
): Promise<VulkanSetup | undefined> {
  if (options.arch !== "x86_64") return undefined;
  try {
    return await trySwiftShader({ ...options, cacheOnly: true }, runtimeEnv);
  } catch (error) {
    if (error instanceof DownloadError) return undefined;
    throw error;
  }
}

async function probe(
  options: VulkanProbeOptions,
  env: Readonly<Record<string, string>>,
): Promise<AdapterSummary | null> {
  return await findAdapter({
    env,
    run: options.run,
    signal: options.signal,
  });
}

/**
 * Installs with the package lists at hand, then once more with fresh ones. Returns what failed. The
 * signal stops it between the commands: an apt-get that is killed leaves packages half installed.
 */
async function installByApt(options: VulkanOptions): Promise<string[]> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const run = async (command: readonly string[]) => {
    options.signal?.throwIfAborted();
    return await (options.run ?? runCommand)(command, { env });
  };
  const first = await run(APT_COMMAND);
  if (first?.code === 0) return [];
  await run(["apt-get", "update"]);
  const second = await run(APT_COMMAND);
  if (second?.code === 0) return [];
  const lastLine = second?.stderr.trim().split("\n").at(-1) ?? "it did not start";
  return [`apt-get failed: ${lastLine}`];
}

/** A user's own choice of backend stands. */
function backendChoice(options: VulkanProbeOptions): Readonly<Record<string, string>> {
  if (options.os !== "linux" || options.env.DENO_WEBGPU_BACKEND) return {};
  return { DENO_WEBGPU_BACKEND: "vulkan" };
}

/**
 * Drivers complain without XDG_RUNTIME_DIR: give them a private folder where it is unset. They work
 * without one, too, as where the cache cannot be written.
 */
async function runtimeDirectory(
  options: VulkanProbeOptions,
): Promise<Readonly<Record<string, string>>> {
  if (options.os !== "linux" || options.env.XDG_RUNTIME_DIR) return {};
  const path = join(options.cacheDir, "runtime");
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    await Deno.chmod(path, 0o700);
    return { XDG_RUNTIME_DIR: path };
  } catch {
    return {};
  }
}
