/**
 * The page's modules as a browser runs them: the TypeScript of the repository with its types blanked
 * out, at its own place below `/page/`, so that nothing has to be built.
 *
 * Only what the page's entry module imports, directly or not, can be fetched.
 */

import { stripTypeScriptTypes } from "node:module";

const IMPORT = /\b(?:from|import)\s*"(\.[^"]+)"/g;

export interface PageModulesOptions {
  /** Where paths start: the repository's root. */
  readonly root: URL;
  /** The entry module, from the root. */
  readonly entry: string;
}

/** The modules by their path from the root. Rejects where one cannot be read or stripped. */
export async function loadPageModules(
  { root, entry }: PageModulesOptions,
): Promise<ReadonlyMap<string, string>> {
  const modules = new Map<string, string>();
  const open = [entry];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (modules.has(path)) continue;
    const url = new URL(path, root);
    const text = stripTypeScriptTypes(await Deno.readTextFile(url));
    modules.set(path, text);
    for (const [, specifier] of text.matchAll(IMPORT)) {
      open.push(new URL(specifier, url).href.slice(root.href.length));
    }
  }
  return modules;
}
