/**
 * `deno task doctor`: what would stop or slow Baton on this machine, and what is wrong with the
 * deployment that runs, in plain words and with what to do about it.
 */

import {
  givenServiceName,
  loadSettings,
  type Settings,
  tempoHeaders,
  VERSION,
} from "../../../shared/config/mod.ts";
import { type Machine, readMachine } from "../machine.ts";
import type { StartOptions } from "../options.ts";
import { exportTo, httpUrl, ownOtlpUrl } from "../service_plan.ts";
import type { Terminal } from "../terminal.ts";
import { viewBus } from "./bus_view.ts";
import { askCollector } from "./collector_probe.ts";
import {
  type Address,
  busFindings,
  frontendClockFindings,
  frontendFindings,
  hasExported,
} from "./deployment_findings.ts";
import { type ExportContext, exportFindings } from "./export_findings.ts";
import { type Finding, messageOf, trouble } from "./finding.ts";
import { type FrontendAnswer, viewFrontend } from "./frontend_view.ts";
import {
  cacheFinding,
  denoFinding,
  engineFindings,
  natsProgramFinding,
  portFindings,
  type PortPlan,
} from "./machine_findings.ts";
import { logFinding, readSettings } from "./settings_findings.ts";
import { type StoreAnswer, storeFindings, viewStore } from "./store_findings.ts";

export type DoctorOptions =
  & Pick<StartOptions, "model" | "port" | "hasTraces" | "frontendUrl" | "tempoUrl" | "isJson">
  & { readonly terminal: Terminal };

type Environment = Readonly<Record<string, string>>;

const MARKS = { good: "ok  ", note: "note", bad: "STOP" } as const;
const DEFAULT_NATS_URL = "nats://127.0.0.1:4222";

/** Prints the findings; true when nothing would stop Baton. */
export async function doctor(env: Environment, options: DoctorOptions): Promise<boolean> {
  const findings = await examine(env, options);
  const badCount = findings.filter(({ grade }) => grade === "bad").length;
  const { terminal, isJson } = options;
  if (isJson) {
    const report = { version: VERSION, is_well: badCount === 0, findings };
    terminal.say(JSON.stringify(report, null, 2));
    return badCount === 0;
  }
  for (const { grade, subject, text } of findings) {
    terminal.say(`${MARKS[grade]}  ${subject.padEnd(9)} ${text}`);
  }
  terminal.say("");
  terminal.say(
    badCount === 0
      ? "Nothing here would stop Baton."
      : `${badCount} of these would stop Baton or its traces: see the lines that start with STOP.`,
  );
  return badCount === 0;
}

/** Every finding, good ones too. */
export async function examine(
  env: Environment,
  options: Omit<DoctorOptions, "terminal" | "isJson">,
): Promise<Finding[]> {
  const { findings, settings, env: usableEnv } = readSettings(env);
  const first = [denoFinding(Deno.version.deno), ...findings];
  if (settings === null) return first;
  let machine: Machine;
  try {
    machine = await readMachine(env, settings);
  } catch (error) {
    return [...first, trouble("bad", "setting-wrong", messageOf(error))];
  }
  const place = placeOf(settings, options);
  const [frontend, store] = await Promise.all([
    viewFrontend(place.frontend.url),
    viewStore(place.store.url, tempoHeaders(settings, place.store.url)),
  ]);
  const { hasTraces } = options;
  const view = { settings, machine, env: usableEnv, place, hasTraces, frontend, store };
  const ofMachine = place.isOwnStart ? await machineFindings(view, options) : [];
  return [...first, ...ofMachine, ...await deploymentFindings(view)];
}

/** Where the parts of a deployment are looked for. */
interface Place {
  readonly frontend: Address;
  readonly store: Address;
  readonly apiPort: number;
  /** Whether it is the deployment that `task start` runs on this machine. */
  readonly isOwnStart: boolean;
}

function placeOf(
  settings: Settings,
  { port, frontendUrl, tempoUrl }: Pick<DoctorOptions, "port" | "frontendUrl" | "tempoUrl">,
): Place {
  const apiPort = port ?? settings.DYN_HTTP_PORT;
  const ownFrontend = httpUrl({ hostname: settings.DYN_HTTP_HOST, port: apiPort });
  const ownStore = httpUrl({
    hostname: settings.DYN_TRACES_HOST,
    port: settings.DYN_TRACES_QUERY_PORT,
  });
  const givenStore = tempoUrl ?? settings.TEMPO_QUERY_URL;
  return {
    frontend: { url: frontendUrl ?? ownFrontend, isGiven: frontendUrl !== undefined },
    store: { url: givenStore || ownStore, isGiven: givenStore !== "" },
    apiPort,
    isOwnStart: frontendUrl === undefined,
  };
}

interface View {
  readonly settings: Settings;
  readonly machine: Machine;
  readonly env: Environment;
  readonly place: Place;
  /** Whether `task start` runs its traces service. */
  readonly hasTraces: boolean;
  readonly frontend: FrontendAnswer;
  readonly store: StoreAnswer;
}

async function machineFindings(
  { settings, machine, place, hasTraces, frontend }: View,
  options: Pick<DoctorOptions, "model">,
): Promise<Finding[]> {
  const model = options.model ?? settings.DYN_MODEL;
  const api = { hostname: settings.DYN_HTTP_HOST, port: place.apiPort, purpose: "the API" };
  const ports = [api, ...(hasTraces ? tracesPorts(settings) : [])];
  return [
    ...(settings.NATS_URL === "" ? [await natsProgramFinding(machine)] : []),
    ...await engineFindings(machine, { settings, model }),
    await cacheFinding(machine.cacheDir),
    // Once Baton runs they are its own.
    ...(frontend.kind === "baton" ? [] : portFindings(ports)),
  ];
}

function tracesPorts(settings: Settings): PortPlan[] {
  const { DYN_TRACES_HOST: hostname, TEMPO_QUERY_URL } = settings;
  const takesSpans = TEMPO_QUERY_URL === "";
  const otlp = { port: settings.DYN_TRACES_OTLP_PORT, purpose: "the traces service for spans" };
  const query = { port: settings.DYN_TRACES_QUERY_PORT, purpose: "the traces service's page" };
  return [...(takesSpans ? [otlp] : []), query].map((plan) => ({ hostname, ...plan }));
}

async function deploymentFindings(view: View): Promise<Finding[]> {
  const { settings, machine, place, frontend, store } = view;
  const hasFrontend = frontend.kind === "baton";
  const { DYN_NAMESPACE: namespace } = settings;
  const bus = { url: settings.NATS_URL || DEFAULT_NATS_URL, isGiven: settings.NATS_URL !== "" };
  const isBusAsked = bus.isGiven || hasFrontend;
  const frontendWorkers = hasFrontend
    ? frontend.view.health.instances.map(({ instance_id }) => instance_id)
    : null;
  return [
    ...frontendFindings(place.frontend, frontend),
    ...(hasFrontend ? frontendClockFindings(place.frontend, frontend.view) : []),
    ...(isBusAsked
      ? busFindings(bus, await viewBus({ url: bus.url, namespace }), { namespace, frontendWorkers })
      : []),
    ...await exportFindings(exportContext(view)),
    ...storeFindings(place.store, store, {
      serviceName: givenServiceName(settings),
      exportedSpans: hasFrontend ? frontend.view.health.telemetry.exported_spans : null,
    }),
    logFinding(settings, { cacheDir: machine.cacheDir, isOwnStart: place.isOwnStart }),
  ];
}

/** The export as the services are told of it, which `task start` has a say in. */
function exportContext(view: View): ExportContext {
  const { settings, env, place, hasTraces, frontend } = view;
  const deliveredSpans = frontend.kind === "baton"
    ? frontend.view.health.telemetry.exported_spans
    : 0;
  const common = { env, deliveredSpans, ask: askCollector };
  if (!place.isOwnStart) return { ...common, settings, isCollectorAwaited: false };
  const added = exportTo(hasTraces ? ownOtlpUrl(settings) : undefined, env);
  return {
    ...common,
    settings: loadSettings({ ...env, ...added }),
    isCollectorAwaited: "OTEL_EXPORTER_OTLP_ENDPOINT" in added && !hasOwnTraces(view),
  };
}

/** Whether the traces service of `task start` runs, or a frontend that exports to it. */
function hasOwnTraces({ place, frontend, store }: View): boolean {
  const isThere = store.kind === "names" && store.isOwn && !place.store.isGiven;
  return isThere || (frontend.kind === "baton" && hasExported(frontend.view.health));
}
