import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { PUBLIC_REGISTRIES } from "../download/mod.ts";
import type { AdapterSummary } from "./adapter.ts";
import { ProvisionError } from "./errors.ts";
import type { CommandResult, RunCommand } from "./run_command.ts";
import { APT_COMMAND, ensureVulkan, type VulkanOptions } from "./vulkan.ts";

const GPU: AdapterSummary = { description: "A GPU", isSoftware: false };
const LLVMPIPE: AdapterSummary = { description: "llvmpipe", isSoftware: true };

/** A machine without a driver, on which commands answer as a test says. */
class Machine implements AsyncDisposable {
  adapter: AdapterSummary | null = null;
  hasApt = true;
  /** Exit codes of `apt-get install`, in order; a 0 brings llvmpipe. */
  installCodes: number[] = [0];
  readonly commands: string[] = [];
  readonly announced: string[] = [];

  private constructor(readonly cacheDir: string) {}

  static async create(): Promise<Machine> {
    return new Machine(await Deno.makeTempDir());
  }

  readonly run: RunCommand = (command) => {
    const line = command.join(" ");
    if (command[0] === Deno.execPath()) {
      return Promise.resolve(result({ stdout: JSON.stringify({ adapter: this.adapter }) + "\n" }));
    }
    if (!this.hasApt) return Promise.resolve(undefined);
    if (line !== "apt-get --version") this.commands.push(line);
    if (line !== APT_COMMAND.join(" ")) return Promise.resolve(result({}));
    const code = this.installCodes.shift() ?? 0;
    if (code === 0) this.adapter = LLVMPIPE;
    return Promise.resolve(result({ code, stderr: code === 0 ? "" : "E: no such package" }));
  };

  options(changes: Partial<VulkanOptions> = {}): VulkanOptions {
    return {
      cacheDir: this.cacheDir,
      registries: PUBLIC_REGISTRIES,
      cacheOnly: true,
      os: "linux",
      arch: "x86_64",
      isRoot: true,
      env: {},
      canInstall: true,
      announce: (line) => this.announced.push(line),
      run: this.run,
      ...changes,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.cacheDir, { recursive: true });
  }
}

function result(changes: Partial<CommandResult>): CommandResult {
  return { code: 0, stdout: "", stderr: "", ...changes };
}

async function refusal(options: VulkanOptions): Promise<string> {
  return (await assertRejects(() => ensureVulkan(options), ProvisionError)).message;
}

Deno.test("ensureVulkan takes the adapter that is there and installs nothing", async () => {
  await using machine = await Machine.create();
  machine.adapter = GPU;
  const setup = await ensureVulkan(machine.options());
  assertEquals(setup.adapter, GPU);
  assertEquals(machine.commands, []);
  assertEquals(machine.announced, []);
});

Deno.test("ensureVulkan installs nothing once it was stopped, in the probe or by apt-get's end", async () => {
  for (const stopsAt of [Deno.execPath(), "apt-get install"]) {
    await using machine = await Machine.create();
    machine.installCodes = [100];
    const stop = new AbortController();
    const run: RunCommand = (command) => {
      if (command.join(" ").startsWith(stopsAt)) stop.abort(new Error("stopped"));
      return machine.run(command);
    };
    await assertRejects(
      () => ensureVulkan(machine.options({ run, signal: stop.signal })),
      Error,
      "stopped",
    );
    assertEquals(machine.commands, stopsAt === "apt-get install" ? [APT_COMMAND.join(" ")] : []);
  }
});

Deno.test("ensureVulkan gives drivers a private XDG_RUNTIME_DIR only where none is set", async () => {
  await using machine = await Machine.create();
  machine.adapter = GPU;
  const path = join(machine.cacheDir, "runtime");
  assertEquals((await ensureVulkan(machine.options())).env.XDG_RUNTIME_DIR, path);
  if (Deno.build.os !== "windows") assertEquals((await Deno.stat(path)).mode! & 0o777, 0o700);
  const env = { XDG_RUNTIME_DIR: "/run/user/1000" };
  assertEquals((await ensureVulkan(machine.options({ env }))).env.XDG_RUNTIME_DIR, undefined);
});

Deno.test("ensureVulkan does without XDG_RUNTIME_DIR where the cache cannot be written", async () => {
  await using machine = await Machine.create();
  machine.adapter = GPU;
  const cacheDir = join(machine.cacheDir, "file");
  await Deno.writeTextFile(cacheDir, "no folder");
  const { env } = await ensureVulkan({ ...machine.options(), cacheDir });
  assertEquals("XDG_RUNTIME_DIR" in env, false);
});

Deno.test("ensureVulkan on Linux binds workers to Vulkan unless the user chose a backend", async () => {
  await using machine = await Machine.create();
  machine.adapter = GPU;
  const backend = async (changes: Partial<VulkanOptions>) =>
    (await ensureVulkan(machine.options(changes))).env.DENO_WEBGPU_BACKEND;
  assertEquals(await backend({}), "vulkan");
  assertEquals(await backend({ env: { DENO_WEBGPU_BACKEND: "gl" } }), undefined);
  assertEquals(await backend({ os: "darwin" }), undefined);
});

Deno.test("ensureVulkan installs by apt as root, and announces the command first", async () => {
  await using machine = await Machine.create();
  const setup = await ensureVulkan(machine.options());
  assertEquals(setup.adapter, LLVMPIPE);
  assertEquals(machine.commands, [APT_COMMAND.join(" ")]);
  assertStringIncludes(machine.announced[0]!, APT_COMMAND.join(" "));
});

Deno.test("ensureVulkan refreshes the package lists when the first install fails", async () => {
  await using machine = await Machine.create();
  machine.installCodes = [100, 0];
  await ensureVulkan(machine.options());
  const install = APT_COMMAND.join(" ");
  assertEquals(machine.commands, [install, "apt-get update", install]);
});

Deno.test("ensureVulkan that may not install prints the exact command", async () => {
  await using machine = await Machine.create();
  assertStringIncludes(
    await refusal(machine.options({ canInstall: false })),
    `run: ${APT_COMMAND.join(" ")}`,
  );
  assertStringIncludes(
    await refusal(machine.options({ canInstall: false, isRoot: false })),
    `run: sudo ${APT_COMMAND.join(" ")}`,
  );
  assertEquals(machine.commands, []);
});

Deno.test("ensureVulkan uses no apt without root, and tells why SwiftShader failed", async () => {
  await using machine = await Machine.create();
  const message = await refusal(machine.options({ isRoot: false }));
  assertStringIncludes(message, "the network is not to be used");
  assertStringIncludes(message, "sudo apt-get install");
  assertStringIncludes(machine.announced[0]!, "SwiftShader");
  assertEquals(machine.commands, []);
});

Deno.test("ensureVulkan without apt and without a pinned driver names what to install", async () => {
  await using machine = await Machine.create();
  machine.hasApt = false;
  assertStringIncludes(
    await refusal(machine.options({ arch: "aarch64" })),
    "install a Vulkan driver and loader",
  );
});

Deno.test("ensureVulkan tells apt's own last words", async () => {
  await using machine = await Machine.create();
  machine.installCodes = [100, 100];
  assertStringIncludes(await refusal(machine.options()), "apt-get failed: E: no such package");
});

Deno.test("ensureVulkan installs nothing on macOS and Windows", async () => {
  await using machine = await Machine.create();
  for (const os of ["darwin", "windows"] as const) {
    assertStringIncludes(await refusal(machine.options({ os })), "update the graphics driver");
  }
  assertEquals(machine.commands, []);
});
