/** `doctor --dump`: every setting and where it comes from, and the machine it would run on. */

import { availableParallelism, hostname, release } from "node:os";
import {
  givenServiceName,
  loadSettings,
  shownVariables,
  unknownVariables,
  VARIABLES,
  VERSION,
} from "../../../shared/config/mod.ts";
import { cpuName } from "../../../shared/engine/cpu/cpu_name.ts";
import { redactArguments, redactText, redactValue } from "../../../shared/telemetry/log/redact.ts";
import { chooseDevice, SIMULATED_DEVICE } from "../device.ts";
import { type Machine, readMachine } from "../machine.ts";
import { exportTo, ownOtlpUrl } from "../service_plan.ts";
import type { StartOptions } from "../options.ts";
import { messageOf } from "./finding.ts";
import { readSettings } from "./settings_findings.ts";

type Environment = Readonly<Record<string, string>>;
type Value = string | number | boolean | null;

export interface DumpedVariable {
  readonly name: string;
  readonly value: Value;
  /** `task start` sets some for its services where the environment does not. */
  readonly source: "flag" | "environment" | "task start" | "default";
  readonly services: readonly string[];
  readonly problem?: string;
}

export interface Dump {
  readonly version: string;
  readonly facts: Readonly<Record<string, Value>>;
  readonly variables: readonly DumpedVariable[];
  /** Set, of the same families, and read by no service. */
  readonly unread: Readonly<Record<string, string>>;
}

export interface DumpInput {
  readonly args: readonly string[];
  readonly options: Pick<StartOptions, "model" | "port">;
}

/** Families of variables in which a misspelt one is worth seeing. */
const FAMILIES = /^(?:DYN|OTEL|NATS)_/i;
/** The runtime reads them for every request that leaves, downloads and exports too. */
const PROXIES = /^(?:NO|HTTPS?|ALL)_PROXY$/i;

export async function createDump(env: Environment, { args, options }: DumpInput): Promise<Dump> {
  const { settings: usable } = readSettings(env);
  const settings = usable ?? loadSettings({});
  const flags = {
    ...(options.model === undefined ? {} : { DYN_MODEL: options.model }),
    ...(options.port === undefined ? {} : { DYN_HTTP_PORT: options.port }),
  };
  const ofStart = exportTo(ownOtlpUrl(settings), env);
  return {
    version: VERSION,
    facts: {
      ...await machineFacts(env, settings),
      ...proxyFacts(env),
      arguments: redactArguments(args).join(" "),
      "service names": ["frontend", "prefill", "decode"]
        .map((role) => `${givenServiceName(settings) || "baton"}-${role}`).join(", "),
    },
    variables: shownVariables(env).map((variable): DumpedVariable => {
      const { name } = variable;
      const flag: Value | undefined = (flags as Record<string, string | number>)[name];
      if (flag !== undefined) {
        return { ...variable, value: redactValue(name, flag), source: "flag" };
      }
      const set = variable.source === "default" ? ofStart[name] : undefined;
      return set === undefined ? variable : { ...variable, value: set, source: "task start" };
    }),
    unread: unreadVariables(env),
  };
}

async function machineFacts(
  env: Environment,
  settings: ReturnType<typeof loadSettings>,
): Promise<Record<string, Value>> {
  const { total, available } = Deno.systemMemoryInfo();
  const facts = {
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    typescript: Deno.version.typescript,
    system: `${Deno.build.os} ${release()} ${Deno.build.arch}`,
    host: hostname(),
    cpu: cpuName(),
    cores: availableParallelism(),
    "memory bytes": total,
    "available bytes": available,
  };
  try {
    const machine = await readMachine(env, settings);
    return {
      ...facts,
      device: await deviceFact(machine, settings),
      cache: machine.cacheDir,
      root: machine.isRoot,
    };
  } catch (error) {
    return { ...facts, cache: redactText(messageOf(error)) };
  }
}

async function deviceFact(
  machine: Machine,
  { DYN_DEVICE, DYN_ENGINE }: ReturnType<typeof loadSettings>,
): Promise<string> {
  try {
    const { backend, description } = DYN_ENGINE === "simulated"
      ? SIMULATED_DEVICE
      : await chooseDevice(machine, { wanted: DYN_DEVICE, canInstall: false, announce: () => {} });
    return `${backend}: ${description}`;
  } catch (error) {
    return redactText(messageOf(error));
  }
}

function proxyFacts(env: Environment): Record<string, string> {
  const set = Object.entries(env).filter(([name, value]) => PROXIES.test(name) && value !== "");
  return Object.fromEntries(set.map(([name, value]) => [name, redactValue(name, value)]));
}

function unreadVariables(env: Environment): Record<string, string> {
  const names = Object.keys(env).filter((name) => FAMILIES.test(name) && !(name in VARIABLES));
  return Object.fromEntries(
    [...new Set([...names, ...unknownVariables(env)])].sort()
      .map((name) => [name, redactValue(name, env[name] ?? "")]),
  );
}

/** The dump as lines for people. */
export function dumpLines({ version, facts, variables, unread }: Dump): string[] {
  return [
    `Baton ${version}`,
    ...table(Object.entries(facts).map(([name, value]) => [name, String(value)])),
    "",
    "Variables",
    ...table(variables.map(({ name, value, source, problem }) => [
      name,
      shown(value),
      source + (problem === undefined ? "" : `: cannot be used: ${problem}`),
    ])),
    ...(Object.keys(unread).length === 0 ? [] : [
      "",
      "Set, and read by no service",
      ...table(Object.entries(unread)),
    ]),
  ];
}

function shown(value: Value): string {
  if (value === null) return "–";
  return value === "" ? '""' : String(value);
}

const MAX_COLUMN = 48;

function table(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number) =>
    Math.min(MAX_COLUMN, Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(width(column))).join("  ").trimEnd()}`
  );
}
