/**
 * The page's modules as a browser runs them: the TypeScript of the repository with its types blanked
 * out, at its own place below `/page/`, so that nothing has to be built.
 *
 * Only what the page's entry module imports, directly or not, can be fetched. Imports of packages lead
 * to the one module that they are bundled in.
 */

import { stripTypeScriptTypes } from "node:module";
import { BUNDLE, PAGE_PACKAGES } from "./page_packages.ts";

const IMPORT = /\b(?:from|import)\s*"(\.[^"]+)"/g;
const PACKAGE_IMPORT = /\b(from|import)\s*"([^."/][^"]*)"/g;

export interface PageModulesOptions {
  /** Where paths start: the repository's root. */
  readonly root: URL;
  /** The entry module, from the root. */
  readonly entry: string;
  /** Below which the modules are served, with slashes around it. */
  readonly base: string;
}

/** The modules by their path from the root. Rejects where one cannot be read or stripped. */
export async function loadPageModules(
  { root, entry, base }: PageModulesOptions,
): Promise<ReadonlyMap<string, string>> {
  const bundlePath = BUNDLE.href.slice(root.href.length);
  const modules = new Map([[bundlePath, await Deno.readTextFile(BUNDLE)]]);
  const linked = (text: string, path: string) =>
    text.replaceAll(PACKAGE_IMPORT, (_, word: string, name: string) => {
      if (PAGE_PACKAGES.includes(name)) return `${word} "${base}${bundlePath}"`;
      throw new Error(`Cannot serve ${path} to browsers: no bundle has the package ${name}`);
    });
  const open = [entry];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (modules.has(path)) continue;
    const url = new URL(path, root);
    const text = linked(stripTypeScriptTypes(await Deno.readTextFile(url)), path);
    modules.set(path, text);
    for (const [, specifier] of text.matchAll(IMPORT)) {
      open.push(new URL(specifier, url).href.slice(root.href.length));
    }
  }
  return modules;
}
