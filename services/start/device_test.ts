import { assertEquals, assertMatch, assertRejects } from "@std/assert/mod.js";
import { PUBLIC_REGISTRIES } from "../../shared/download/mod.ts";
import { type AdapterSummary, ProvisionError } from "../../shared/provision/mod.ts";
import { chooseDevice, type ChosenDevice, deviceAdvice } from "./device.ts";
import type { Machine } from "./machine.ts";

const GPU: AdapterSummary = { description: "A GPU", isSoftware: false };
const LLVMPIPE: AdapterSummary = { description: "llvmpipe", isSoftware: true };

const MACHINE: Machine = {
  os: "linux",
  arch: "aarch64",
  env: { XDG_RUNTIME_DIR: "/run/x" },
  isRoot: false,
  cacheDir: "/no/such/cache",
  registries: PUBLIC_REGISTRIES,
};

/** The device chosen where a probe finds `adapter` and no other command exists, and the commands run. */
async function choose(wanted: "auto" | "webgpu" | "cpu", adapter: AdapterSummary | null) {
  const commands: string[] = [];
  const device = await chooseDevice(MACHINE, {
    wanted,
    canInstall: true,
    announce: (line) => commands.push(line),
    run: (command) => {
      if (command[0] !== Deno.execPath()) return Promise.resolve(undefined);
      commands.push("probe");
      const stdout = JSON.stringify({ adapter }) + "\n";
      return Promise.resolve({ code: 0, stdout, stderr: "" });
    },
  });
  return { device, commands };
}

Deno.test("chooseDevice with cpu looks for no adapter", async () => {
  const { device, commands } = await choose("cpu", GPU);
  assertEquals(device.backend, "cpu");
  assertEquals(device.env, { DYN_DEVICE: "cpu" });
  assertEquals(commands, []);
});

Deno.test("chooseDevice with auto takes a GPU, and the CPU where there is none or software only", async () => {
  const { device } = await choose("auto", GPU);
  assertEquals(device.description, "A GPU");
  assertEquals(device.env, { DENO_WEBGPU_BACKEND: "vulkan", DYN_DEVICE: "webgpu" });
  for (const adapter of [null, LLVMPIPE]) {
    const { device, commands } = await choose("auto", adapter);
    assertEquals(device.backend, "cpu");
    assertEquals(commands, ["probe"]);
  }
});

Deno.test("chooseDevice with webgpu takes software too, and says what to install without any", async () => {
  const { device } = await choose("webgpu", LLVMPIPE);
  assertEquals([device.backend, device.isSoftware], ["webgpu", true]);
  await assertRejects(() => choose("webgpu", null), ProvisionError, "mesa-vulkan-drivers");
});

Deno.test("deviceAdvice says of every device how to take another", () => {
  const device: ChosenDevice = { backend: "webgpu", description: "", isSoftware: false, env: {} };
  assertMatch(deviceAdvice(device).join(), /DYN_DEVICE=cpu computes on the CPU/);
  assertMatch(deviceAdvice({ ...device, isSoftware: true }).join(), /DYN_DEVICE=cpu/);
  assertMatch(deviceAdvice({ ...device, backend: "cpu" }).join(), /DYN_DEVICE=webgpu/);
});
