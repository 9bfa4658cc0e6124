/** What on this machine would stop or slow a start. */

import { statfs } from "node:fs/promises";
import { format } from "@std/fmt/bytes.js";
import type { Settings } from "../../../shared/config/mod.ts";
import { DownloadError } from "../../../shared/download/mod.ts";
import {
  ensureNatsServer,
  findNatsServer,
  ProvisionError,
  type RunCommand,
  runCommand,
} from "../../../shared/provision/mod.ts";
import { resolveModel } from "../../../shared/weights/sources/mod.ts";
import { chooseDevice, type ChooseDeviceOptions, type ChosenDevice } from "../device.ts";
import type { Machine } from "../machine.ts";
import { isPortFree } from "../ports.ts";
import { type Finding, good, messageOf, trouble } from "./finding.ts";

/** What the default model, its archive and the programs need at the first start. */
const CACHE_NEED_BYTES = 400 * 1024 * 1024;
const DENO_VERSION = "2.9.6";

/** Older than 2.9 lacks what Baton uses; another 2.9 or newer was not tried. */
export function denoFinding(version: string): Finding {
  if (version === DENO_VERSION) return good("deno", version);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isTooOld = major < 2 || (major === 2 && minor < 9);
  return isTooOld ? trouble("bad", "deno-version", `Deno ${version} is too old`) : trouble(
    "note",
    "deno-version",
    `Baton is tested with Deno ${DENO_VERSION}; this is ${version}`,
  );
}

/** The nats-server that a start would run; `run` is replaced in tests. */
export async function natsProgramFinding(
  machine: Machine,
  run: RunCommand = runCommand,
): Promise<Finding> {
  try {
    const server = await ensureNatsServer({ ...machine, run, cacheOnly: true });
    return good("nats", `nats-server ${server.version} at ${server.path}`);
  } catch (error) {
    if (!(error instanceof ProvisionError || error instanceof DownloadError)) throw error;
    if (!isNotCached(error.cause)) return trouble("bad", "nats-not-fetched", error.message);
    const own = await findNatsServer(run);
    const why = own === undefined
      ? "No nats-server is on the PATH"
      : `The nats-server ${own.version} on the PATH is too old`;
    return trouble("note", "nats-not-fetched", why);
  }
}

export interface EngineQuestion {
  readonly settings: Settings;
  readonly model: string;
  /** Replaced in tests. */
  readonly run?: RunCommand;
}

export async function engineFindings(
  machine: Machine,
  { settings, model, run }: EngineQuestion,
): Promise<Finding[]> {
  if (settings.DYN_ENGINE === "simulated") {
    return [trouble("note", "simulated-engine", "DYN_ENGINE=simulated computes nothing")];
  }
  const wanted = settings.DYN_DEVICE;
  return [await deviceFinding(machine, { wanted, run }), await modelFinding(model, machine)];
}

async function deviceFinding(
  machine: Machine,
  { wanted, run }: Pick<ChooseDeviceOptions, "wanted" | "run">,
): Promise<Finding> {
  try {
    return chosenDeviceFinding(
      await chooseDevice(machine, { wanted, run, canInstall: false, announce: () => {} }),
    );
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    const canInstall = machine.os === "linux" && (machine.isRoot || machine.arch === "x86_64");
    return trouble(canInstall ? "note" : "bad", "no-device", error.message);
  }
}

function chosenDeviceFinding({ backend, description, isSoftware }: ChosenDevice): Finding {
  if (backend === "cpu") {
    return trouble("note", "no-gpu", `Workers compute on the CPU: ${description}`);
  }
  return isSoftware
    ? trouble("note", "software-adapter", `Workers compute on ${description}, a software adapter`)
    : good("device", `${backend} on ${description}`);
}

async function modelFinding(model: string, machine: Machine): Promise<Finding> {
  try {
    const { path } = await resolveModel(model, { ...machine, cacheOnly: true });
    return good("model", `${model} at ${path}`);
  } catch (error) {
    return isNotCached(error) || isNotCached(error instanceof Error ? error.cause : undefined)
      ? trouble("note", "model-not-fetched", `${model} is not in the cache`)
      : trouble("bad", "model-wrong", messageOf(error).replace(/\.$/, ""));
  }
}

/** Whether only the network, which the doctor does not use for this, was missing. */
function isNotCached(error: unknown): boolean {
  return error instanceof DownloadError && error.failure === "not_cached";
}

export async function cacheFinding(cacheDir: string): Promise<Finding> {
  try {
    await Deno.mkdir(cacheDir, { recursive: true });
    const probe = await Deno.makeTempFile({ dir: cacheDir });
    await Deno.remove(probe);
    const { bavail, bsize } = await statfs(cacheDir);
    return spaceFinding(cacheDir, bavail * bsize);
  } catch (error) {
    return trouble("bad", "cache-read-only", `Cannot write ${cacheDir}: ${messageOf(error)}`);
  }
}

export function spaceFinding(cacheDir: string, freeBytes: number): Finding {
  if (freeBytes >= CACHE_NEED_BYTES) return good("cache", `${cacheDir}, ${format(freeBytes)} free`);
  const facts = `${cacheDir} has ${format(freeBytes)} free, and the first start may need ` +
    format(CACHE_NEED_BYTES);
  return trouble("note", "cache-full", facts);
}

export interface PortPlan {
  readonly hostname: string;
  readonly port: number;
  /** What would listen there. */
  readonly purpose: string;
}

/** One line for the ports that are free, or one for each that is taken. */
export function portFindings(plans: readonly PortPlan[]): Finding[] {
  const taken = plans.flatMap((plan) => takenFinding(plan) ?? []);
  if (taken.length > 0) return taken;
  const free = plans.map(({ hostname, port }) => `${hostname}:${port}`).join(", ");
  return [good("ports", `${free} are free`)];
}

function takenFinding({ hostname, port, purpose }: PortPlan): Finding | null {
  try {
    if (isPortFree(hostname, port)) return null;
    const facts = `Another program listens at ${hostname}:${port}, the port of ${purpose}`;
    return trouble("bad", "port-taken", facts);
  } catch (error) {
    const facts = `Cannot listen at ${hostname}:${port}, the port of ${purpose}: ${
      messageOf(error)
    }`;
    return trouble("bad", "port-taken", facts);
  }
}
