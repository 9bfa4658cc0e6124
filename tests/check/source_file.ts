/** The repository's own TypeScript, as the checks see it. */

import { join } from "@std/path/mod.js";

export interface SourceFile {
  /** From the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Folders that hold code. */
export const CODE_FOLDERS = ["shared", "services", "tests", "bench"];

export function isTest(path: string): boolean {
  return path.endsWith("_test.ts") || path.startsWith("tests/");
}

/** All `.ts` files of the code folders below `root`, in order of their path. */
export async function readSourceFiles(root: string): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for (const folder of CODE_FOLDERS) await collect(root, folder, files);
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

async function collect(root: string, folder: string, files: SourceFile[]): Promise<void> {
  for await (const entry of Deno.readDir(join(root, folder))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory && entry.name !== "node_modules" && !entry.name.startsWith(".")) {
      await collect(root, path, files);
    } else if (entry.isFile && entry.name.endsWith(".ts")) {
      files.push({ path, text: await Deno.readTextFile(join(root, path)) });
    }
  }
}

/** The specifiers of a file's static and dynamic imports and re-exports. */
export function importsOf(file: SourceFile): string[] {
  const pattern =
    /^\s*(?:import|export)\b[^"'`;]*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;
  return [...file.text.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

/** The repository path that a relative specifier of `path` means; undefined for a package. */
export function resolveImport(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return new URL(specifier, `file:///${path}`).pathname.slice(1);
}
