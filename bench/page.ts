/** The page that `deno task bench --out` writes: how it was measured, then the parts. */

import { cpus, totalmem } from "node:os";
import { figure } from "./statistics.ts";

export interface PageOptions {
  /** What was called, to call it again. */
  readonly command: string;
  readonly parts: readonly string[];
}

/** The whole page, formatted as the repository's pages are. */
export async function performancePage({ command, parts }: PageOptions): Promise<string> {
  const date = new Date().toISOString().slice(0, 10);
  const head = [
    "# Performance",
    `Written by \`${command}\` on ${date}; run it again to replace this page. ${machine()}`,
    "Compare numbers only within this page: engines take turns within one run, so that a machine " +
    "that other work slows down slows all of them. Between machines, drivers and days absolute " +
    "numbers differ far more than engines do. Peers run as their packages come from npm, in " +
    "versions that `bench/install_peers.ts` pins, on the adapter that is named.",
  ];
  return await formatted([...head, ...parts].join("\n\n"));
}

function machine(): string {
  const cores = cpus();
  const name = cores[0]?.model.trim() || "unknown CPU";
  return `Machine: ${cores.length} x ${name}, ${figure(totalmem() / 2 ** 30)} GiB, ` +
    `${Deno.build.os} ${Deno.build.arch}, Deno ${Deno.version.deno}.`;
}

async function formatted(text: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--line-width", "100", "--ext", "md", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  await ReadableStream.from([new TextEncoder().encode(text)]).pipeTo(child.stdin);
  const { success, stdout } = await child.output();
  if (!success) throw new Error("Cannot format the report: deno fmt failed");
  return new TextDecoder().decode(stdout);
}
