import { z } from "zod";
import { type RunCommand, runCommand } from "./run_command.ts";

/** A driver that hangs counts as none; a probe takes about a second. */
const PROBE_TIMEOUT_MS = 60_000;

export interface AdapterSummary {
  readonly description: string;
  /** Computes on the CPU. */
  readonly isSoftware: boolean;
}

const ProbeLine = z.object({
  adapter: z.object({ description: z.string(), isSoftware: z.boolean() }).nullable(),
});

export interface FindAdapterOptions {
  /** Added to the environment, to look with another driver. */
  readonly env?: Readonly<Record<string, string>>;
  readonly run?: RunCommand;
  readonly signal?: AbortSignal;
}

/** The WebGPU adapter that a new Deno process finds; null when there is none. Throws the signal's reason. */
export async function findAdapter(
  options: FindAdapterOptions = {},
): Promise<AdapterSummary | null> {
  const run = options.run ?? runCommand;
  const probe = new URL("./adapter_probe.ts", import.meta.url).href;
  const timeout = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const result = await run([Deno.execPath(), "run", "-A", "--no-prompt", probe], {
    env: options.env,
    signal: AbortSignal.any([timeout, ...options.signal ? [options.signal] : []]),
  });
  // A probe that was stopped has found nothing out.
  options.signal?.throwIfAborted();
  const line = result?.stdout.trim().split("\n").at(-1) ?? "";
  // A driver that crashes the probe would crash a worker too: it counts as none.
  if (result?.code !== 0 || !line.startsWith("{")) return null;
  return ProbeLine.parse(JSON.parse(line)).adapter;
}
