/** PyPI's Simple API: JSON (PEP 691) where the index has it, else its HTML (PEP 503). */

import { z } from "zod";
import { type Checksum, sha256Checksum } from "./checksum.ts";
import { DownloadError } from "./errors.ts";
import { withCredentialsOf } from "./http_request.ts";
import type { PackageArchive } from "./npm_registry.ts";
import type { Registries } from "./registries.ts";
import {
  type Document,
  type DocumentOptions,
  getDocument,
  parseJson,
  unexpectedAnswer,
} from "./registry_document.ts";

export interface PypiPackage {
  readonly name: string;
  readonly version: string;
}

const ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, " +
  "text/html;q=0.1";

const IndexDocument = z.looseObject({
  files: z.array(z.looseObject({
    filename: z.string(),
    url: z.string(),
    hashes: z.record(z.string(), z.string()),
  })),
});

interface IndexFile {
  readonly filename: string;
  readonly url: string;
  readonly sha256: string | undefined;
}

/** Wheels of one version, as its index lists them. Throws a DownloadError. */
export async function findPypiWheels(
  pkg: PypiPackage,
  registries: Registries,
  options: DocumentOptions = {},
): Promise<PackageArchive[]> {
  if (!/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(pkg.name)) {
    throw new DownloadError("not_found", `Cannot find PyPI package "${pkg.name}": no valid name`);
  }
  const project = pkg.name.toLowerCase().replace(/[-_.]+/g, "-");
  const document = await getDocument(`${registries.pypi}/${project}/`, {
    ...options,
    accept: ACCEPT,
  });
  const files = document.contentType.includes("json") ? jsonFiles(document) : htmlFiles(document);
  const wheels = files.filter((file) => isWheelOf(file.filename, project, pkg.version));
  if (wheels.length === 0) {
    throw new DownloadError(
      "not_found",
      `Cannot find a wheel of ${pkg.name}==${pkg.version}: the index lists none`,
    );
  }
  return wheels.map((file) => {
    if (!/^https?:/.test(file.url)) throw unexpectedAnswer(document, "no usable link");
    const url = withCredentialsOf(registries.pypi, file.url);
    return { url, checksum: checksumOf(file, document), filename: file.filename };
  });
}

function checksumOf(file: IndexFile, document: Document): Checksum {
  try {
    return sha256Checksum(file.sha256 ?? "");
  } catch (error) {
    throw unexpectedAnswer(document, `no sha256 for ${file.filename}`, error);
  }
}

/** Wheel names are `{project}-{version}(-{build})?-{python}-{abi}-{platform}.whl`. */
function isWheelOf(filename: string, project: string, version: string): boolean {
  if (!filename.endsWith(".whl")) return false;
  const [name = "", fileVersion] = filename.split("-");
  return name.toLowerCase().replace(/[-_.]+/g, "-") === project && fileVersion === version;
}

function jsonFiles(document: Document): IndexFile[] {
  const parsed = IndexDocument.safeParse(parseJson(document));
  if (!parsed.success) throw unexpectedAnswer(document, "no list of files");
  return parsed.data.files.map((file) => ({
    filename: file.filename,
    url: absoluteUrl(file.url, document),
    sha256: file.hashes.sha256,
  }));
}

function htmlFiles(document: Document): IndexFile[] {
  const files: IndexFile[] = [];
  for (
    const [, href = "", filename = ""] of document.text.matchAll(
      /<a\b[^>]*?\bhref\s*=\s*"([^"]*)"[^>]*>([^<]*)<\/a>/gi,
    )
  ) {
    const [link = "", fragment = ""] = href.replaceAll("&amp;", "&").split("#");
    files.push({
      filename: filename.trim(),
      url: absoluteUrl(link, document),
      sha256: /(?:^|&)sha256=([0-9a-f]+)/i.exec(fragment)?.[1],
    });
  }
  return files;
}

function absoluteUrl(link: string, document: Document): string {
  if (!URL.canParse(link, document.url)) throw unexpectedAnswer(document, "a broken link");
  return new URL(link, document.url).href;
}
