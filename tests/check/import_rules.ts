/**
 * Who may import whom.
 *
 * `services` → `shared`, never back, and no service imports another. Inside `shared` the folders
 * form no cycle, and `engine` and `scheduler` stay pure of telemetry, bus and HTTP, so that the step
 * loop can run and be tested without them. Product code imports nothing from `tests` or `bench`.
 */

import { importsOf, isTest, resolveImport, type SourceFile } from "./source_file.ts";

/** `shared/` folders with nothing of the outside world in them, tests included. */
const PURE_FOLDERS = ["shared/engine/", "shared/engine_thread/", "shared/scheduler/"];
const IMPURE_FOLDERS = ["shared/telemetry/", "shared/bus/"];
const IMPURE_PACKAGES = /^(hono|@hono|@opentelemetry|@nats-io|prom-client)(\/|$)/;
/** Packages come from the import map, where their versions are pinned. */
const UNPINNED = /^(npm|jsr|https?):/;

/** Sentences about imports that a rule forbids. */
export function importViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file).flatMap((specifier) => {
      const reason = forbidden(file.path, specifier);
      return reason === undefined ? [] : [`${file.path} imports ${specifier}: ${reason}`];
    })
  );
}

function forbidden(path: string, specifier: string): string | undefined {
  if (UNPINNED.test(specifier)) return "packages are imported by their name in deno.json";
  const isPure = PURE_FOLDERS.some((folder) => path.startsWith(folder));
  if (isPure && IMPURE_PACKAGES.test(specifier)) return "engine and scheduler know no bus or HTTP";
  const target = resolveImport(path, specifier);
  if (target === undefined) return undefined;
  if (isPure && IMPURE_FOLDERS.some((folder) => target.startsWith(folder))) {
    return "engine and scheduler know no telemetry and no bus";
  }
  if (path.startsWith("shared/") && target.startsWith("services/")) {
    return "shared code never imports a service";
  }
  if (path.startsWith("services/") && target.startsWith("services/")) {
    if (serviceOf(path) !== serviceOf(target)) return "a service imports no other service";
  }
  if (!isTest(path) && /^(shared|services)\//.test(path) && /^(tests|bench)\//.test(target)) {
    return "product code imports nothing from tests or bench";
  }
  return undefined;
}

/** "start" for services/start.ts and services/start/run.ts. */
function serviceOf(path: string): string {
  return (path.split("/")[1] ?? "").replace(/\.ts$/, "");
}

/** One sentence for each cycle among the folders of `shared`; tests do not count. */
export function folderCycles(files: readonly SourceFile[]): string[] {
  const edges = new Map<string, Map<string, string>>();
  for (const file of files) {
    const from = sharedFolder(file.path);
    if (from === undefined || isTest(file.path)) continue;
    for (const specifier of importsOf(file)) {
      const to = sharedFolder(resolveImport(file.path, specifier) ?? "");
      if (to === undefined || to === from) continue;
      const targets = edges.get(from) ?? new Map<string, string>();
      if (!targets.has(to)) targets.set(to, file.path);
      edges.set(from, targets);
    }
  }
  const cycles = new Map<string, string>();
  for (const start of [...edges.keys()].sort()) {
    const cycle = cycleThrough(start, edges);
    if (cycle === undefined) continue;
    const key = [...cycle].sort().join();
    const steps = cycle.map((folder, i) => {
      const next = cycle[(i + 1) % cycle.length] ?? "";
      return `${folder} → ${next} (${edges.get(folder)?.get(next)})`;
    });
    if (!cycles.has(key)) cycles.set(key, `shared folders form a cycle: ${steps.join(", ")}`);
  }
  return [...cycles.values()];
}

function sharedFolder(path: string): string | undefined {
  return /^shared\/([^/]+)\//.exec(path)?.[1];
}

/** The shortest way from `start` back to itself. */
function cycleThrough(
  start: string,
  edges: ReadonlyMap<string, ReadonlyMap<string, string>>,
): string[] | undefined {
  const queue = [[start]];
  const seen = new Set<string>();
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    for (const next of edges.get(path.at(-1) ?? "")?.keys() ?? []) {
      if (next === start) return path;
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push([...path, next]);
    }
  }
  return undefined;
}
