/** `deno task doctor`: what on this machine would stop or slow Baton, and what to do about it. */

import { statfs } from "node:fs/promises";
import { format } from "@std/fmt/bytes.js";
import {
  ConfigError,
  loadSettings,
  type Settings,
  unknownVariables,
} from "../../shared/config/mod.ts";
import { DownloadError } from "../../shared/download/mod.ts";
import {
  ensureNatsServer,
  findNatsServer,
  ProvisionError,
  runCommand,
} from "../../shared/provision/mod.ts";
import { resolveModel } from "../../shared/weights/sources/mod.ts";
import { isPortFree } from "./ports.ts";
import { chooseDevice, deviceAdvice, SIMULATED_DEVICE } from "./device.ts";
import { type Machine, readMachine } from "./machine.ts";
import { greetsAsNats } from "./readiness.ts";
import type { Terminal } from "./terminal.ts";

/** - `bad`: would stop Baton. `note`: would slow it, or will be fetched at the first start. */
export interface Finding {
  readonly grade: "good" | "note" | "bad";
  readonly subject: string;
  readonly text: string;
}

export interface DoctorOptions {
  readonly terminal: Terminal;
  readonly model: string | undefined;
  readonly port: number | undefined;
}

const MARKS = { good: "ok  ", note: "note", bad: "STOP" } as const;
/** What the default model, its archive and the programs need at the first start. */
const CACHE_NEED_BYTES = 400 * 1024 * 1024;
const DENO_VERSION = "2.9.6";

/** Prints the findings; true when nothing would stop Baton. */
export async function doctor(
  env: Readonly<Record<string, string>>,
  options: DoctorOptions,
): Promise<boolean> {
  const findings = await examine(env, options);
  for (const { grade, subject, text } of findings) {
    options.terminal.say(`${MARKS[grade]}  ${subject.padEnd(9)} ${text}`);
  }
  const bad = findings.filter(({ grade }) => grade === "bad").length;
  options.terminal.say("");
  options.terminal.say(
    bad === 0
      ? "Nothing here would stop Baton."
      : `${bad} of these would stop Baton: see the lines that start with STOP.`,
  );
  return bad === 0;
}

async function examine(
  env: Readonly<Record<string, string>>,
  options: DoctorOptions,
): Promise<Finding[]> {
  const findings = [denoFinding(Deno.version.deno)];
  let settings: Settings;
  let machine: Machine;
  try {
    settings = loadSettings(env);
    machine = await readMachine(env, settings);
  } catch (error) {
    const lines = error instanceof ConfigError ? error.message.split("\n") : [messageOf(error)];
    return [...findings, ...lines.map((text) => finding("bad", "settings", text))];
  }
  for (const name of unknownVariables(env)) {
    findings.push(finding("note", "settings", `${name} is set, but Baton has no such variable`));
  }
  findings.push(
    await natsFinding(settings, machine),
    ...await engineFindings(settings, machine, options.model ?? settings.DYN_MODEL),
    await cacheFinding(machine.cacheDir),
    portFinding(settings.DYN_HTTP_HOST, options.port ?? settings.DYN_HTTP_PORT),
  );
  return findings;
}

function finding(grade: Finding["grade"], subject: string, text: string): Finding {
  return { grade, subject, text };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Older than 2.9 lacks what Baton uses; another 2.9 or newer was not tried. */
export function denoFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 2 || (major === 2 && minor < 9)) {
    return finding(
      "bad",
      "deno",
      `${version} is too old; use \`npx -y deno@${DENO_VERSION} task start\``,
    );
  }
  return version === DENO_VERSION
    ? finding("good", "deno", version)
    : finding("note", "deno", `${version}; Baton is tested with ${DENO_VERSION}`);
}

async function natsFinding(settings: Settings, machine: Machine): Promise<Finding> {
  if (settings.NATS_URL !== "") return await natsUrlFinding(settings.NATS_URL);
  try {
    const server = await ensureNatsServer({ ...machine, cacheOnly: true });
    return finding("good", "nats", `nats-server ${server.version} at ${server.path}`);
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    if (!isNotCached(error.cause)) return finding("bad", "nats", error.message);
    const own = await findNatsServer(runCommand);
    const why = own === undefined ? "none is on the PATH" : `${own.version} on the PATH is too old`;
    return finding("note", "nats", `${why}: the first start fetches one (7 MB)`);
  }
}

async function natsUrlFinding(natsUrl: string): Promise<Finding> {
  for (const text of natsUrl.split(",")) {
    const url = new URL(text);
    if (url.protocol !== "nats:") {
      return finding("note", "nats", `${url.protocol}//${url.host} is used; not tried from here`);
    }
    const address = { hostname: url.hostname, port: Number(url.port || 4222) };
    if (await greetsAsNats(address)) {
      return finding("good", "nats", `a server answers at ${url.host}`);
    }
  }
  return finding(
    "bad",
    "nats",
    "no server answers at NATS_URL; start it, or unset NATS_URL and Baton runs its own",
  );
}

async function engineFindings(
  settings: Settings,
  machine: Machine,
  model: string,
): Promise<Finding[]> {
  if (settings.DYN_ENGINE === "simulated") {
    const { backend, description } = SIMULATED_DEVICE;
    const text = [`${backend}: ${description}.`, ...deviceAdvice(SIMULATED_DEVICE)].join(" ");
    return [finding("note", "engine", text)];
  }
  return [await deviceFinding(settings.DYN_DEVICE, machine), await modelFinding(model, machine)];
}

async function deviceFinding(
  wanted: Settings["DYN_DEVICE"],
  machine: Machine,
): Promise<Finding> {
  try {
    const device = await chooseDevice(machine, { wanted, canInstall: false, announce: () => {} });
    const advice = deviceAdvice(device);
    const text = [`${device.backend} on ${device.description}.`, ...advice].join(" ");
    return finding(advice.length === 0 ? "good" : "note", "device", text);
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    const isLinux = machine.os === "linux";
    return finding(
      isLinux && (machine.isRoot || machine.arch === "x86_64") ? "note" : "bad",
      "device",
      isLinux ? `${error.message}. The first start does what it can itself` : error.message,
    );
  }
}

async function cacheFinding(cacheDir: string): Promise<Finding> {
  try {
    await Deno.mkdir(cacheDir, { recursive: true });
    const probe = await Deno.makeTempFile({ dir: cacheDir });
    await Deno.remove(probe);
    const { bavail, bsize } = await statfs(cacheDir);
    const freeBytes = bavail * bsize;
    return freeBytes < CACHE_NEED_BYTES
      ? finding(
        "note",
        "cache",
        `${cacheDir} has ${format(freeBytes)} free; the first start needs ` +
          `${format(CACHE_NEED_BYTES)} there: free some, or set DYN_CACHE_DIR`,
      )
      : finding("good", "cache", `${cacheDir}, ${format(freeBytes)} free`);
  } catch (error) {
    return finding(
      "bad",
      "cache",
      `Cannot write ${cacheDir}: ${messageOf(error)}; set DYN_CACHE_DIR`,
    );
  }
}

async function modelFinding(model: string, machine: Machine): Promise<Finding> {
  try {
    const { path } = await resolveModel(model, { ...machine, cacheOnly: true });
    return finding("good", "model", `${model} at ${path}`);
  } catch (error) {
    return isNotCached(error) || isNotCached(error instanceof Error ? error.cause : undefined)
      ? finding("note", "model", `${model} is not in the cache: the first start fetches it`)
      : finding("bad", "model", messageOf(error));
  }
}

/** Whether only the network, which the doctor does not use, was missing. */
function isNotCached(error: unknown): boolean {
  return error instanceof DownloadError && error.failure === "not_cached";
}

function portFinding(hostname: string, port: number): Finding {
  try {
    return isPortFree(hostname, port)
      ? finding("good", "port", `${hostname}:${port} is free`)
      : finding("bad", "port", `${hostname}:${port} is taken; choose another with --port`);
  } catch (error) {
    return finding(
      "bad",
      "port",
      `Cannot listen on ${hostname}: ${messageOf(error)}; set DYN_HTTP_HOST`,
    );
  }
}
