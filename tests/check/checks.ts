/** Every check by name; each returns the sentences of what is wrong. */

import { join } from "@std/path/mod.js";
import { troubleshootingPage } from "../../services/start/doctor/troubleshooting_page.ts";
import { configurationPage, withVariableTables } from "../../shared/config/mod.ts";
import { kernelsProblem } from "../../shared/engine/cpu/kernel_sources.ts";
import { metricsPage } from "../../shared/telemetry/metrics/metrics_page.ts";
import { spansPage } from "../../shared/telemetry/registry/spans_page.ts";
import { leftoverViolations, nameViolations, sizeViolations } from "./file_rules.ts";
import { folderCycles, importViolations } from "./import_rules.ts";
import { CODE_FOLDERS, type SourceFile } from "./source_file.ts";

export interface Check {
  readonly name: string;
  readonly problems: (root: string, files: readonly SourceFile[]) => Promise<string[]>;
}

/** Pages that are printed from code, by their path. */
const GENERATED: Readonly<Record<string, () => string>> = {
  "docs/configuration.md": configurationPage,
  "docs/observability/metrics.md": metricsPage,
  "docs/observability/spans.md": spansPage,
  "docs/observability/troubleshooting.md": troubleshootingPage,
};

/** Pages in which some tables are. */
const PAGES_WITH_TABLES = ["docs/observability/logging.md", "docs/observability/tracing.md"];

export const CHECKS: readonly Check[] = [
  { name: "format", problems: (root) => denoProblems(root, ["fmt", "--check"]) },
  { name: "lint", problems: (root) => denoProblems(root, ["lint"]) },
  { name: "types", problems: typeProblems },
  { name: "import direction", problems: (_, files) => Promise.resolve(importViolations(files)) },
  { name: "folder cycles", problems: (_, files) => Promise.resolve(folderCycles(files)) },
  { name: "file sizes", problems: (_, files) => Promise.resolve(sizeViolations(files)) },
  { name: "file names", problems: (_, files) => Promise.resolve(nameViolations(files)) },
  { name: "leftovers", problems: (_, files) => Promise.resolve(leftoverViolations(files)) },
  { name: "generated docs", problems: (root) => generatedProblems(root) },
  { name: "compiled kernels", problems: kernelProblems },
];

/** Tests of the page use a browser's types, which the services must not see: they are checked apart. */
async function typeProblems(root: string): Promise<string[]> {
  const product = CODE_FOLDERS.filter((folder) => folder !== "tests");
  return [
    ...await denoProblems(root, ["check", ...product]),
    ...await denoProblems(root, ["check", "tests"]),
  ];
}

async function denoProblems(root: string, args: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (code === 0) return [];
  const decoder = new TextDecoder();
  return [`${decoder.decode(stdout)}${decoder.decode(stderr)}`.trimEnd()];
}

async function generatedProblems(root: string): Promise<string[]> {
  const problems: string[] = [];
  for (const [path, print] of Object.entries(GENERATED)) {
    const text = await Deno.readTextFile(join(root, path)).catch(() => "");
    if (text !== print()) problems.push(`${path} is not what the code prints: print it again`);
  }
  for (const path of PAGES_WITH_TABLES) {
    const text = await Deno.readTextFile(join(root, path)).catch(() => "");
    if (text === withVariableTables(text)) continue;
    problems.push(
      `${path} has tables that the code prints otherwise: ` +
        `deno run -A shared/config/print_table.ts ${path}`,
    );
  }
  return problems;
}

async function kernelProblems(): Promise<string[]> {
  const problem = await kernelsProblem();
  return problem === undefined ? [] : [problem];
}
