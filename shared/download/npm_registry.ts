/** npm's registry API: a package's version document names its tarball and the tarball's checksum. */

import { z } from "zod";
import { type Checksum, parseIntegrity } from "./checksum.ts";
import {
  type DocumentOptions,
  getDocument,
  parseJson,
  unexpectedAnswer,
} from "./registry_document.ts";
import { DownloadError } from "./errors.ts";
import { withCredentialsOf } from "./http_request.ts";
import type { Registries } from "./registries.ts";

export interface PackageArchive {
  readonly url: string;
  readonly checksum: Checksum;
  /** Last part of its URL. */
  readonly filename: string;
}

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
}

const VersionDocument = z.looseObject({
  dist: z.looseObject({
    tarball: z.url(),
    integrity: z.string().optional(),
    shasum: z.string().optional(),
  }),
});

const NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/i;
const VERSION = /^\d+\.\d+\.\d+[0-9A-Za-z.+-]*$/;

/** Finds the tarball of one version. Throws a DownloadError. */
export async function findNpmTarball(
  pkg: NpmPackage,
  registries: Registries,
  options: DocumentOptions = {},
): Promise<PackageArchive> {
  if (!NAME.test(pkg.name)) {
    throw new DownloadError("not_found", `Cannot find npm package "${pkg.name}": no valid name`);
  }
  if (!VERSION.test(pkg.version)) {
    throw new DownloadError(
      "not_found",
      `Cannot find npm package ${pkg.name}@${pkg.version}: give an exact version such as 1.2.3`,
    );
  }
  const scope = pkg.name.startsWith("@") ? pkg.name.split("/")[0] ?? "" : "";
  const registry = registries.npmScopes[scope] ?? registries.npm;
  const url = `${registry}/${pkg.name.replace("/", "%2f")}/${pkg.version}`;
  const document = await getDocument(url, { ...options, accept: "application/json" });
  const parsed = VersionDocument.safeParse(parseJson(document));
  if (!parsed.success) throw unexpectedAnswer(document, "no tarball");
  const { tarball, integrity, shasum } = parsed.data.dist;
  try {
    const checksum = integrity !== undefined
      ? parseIntegrity(integrity)
      : { algorithm: "sha1" as const, hex: shasum ?? "" };
    if (checksum.hex === "") throw new RangeError("no checksum");
    const filename = new URL(tarball).pathname.split("/").pop() ?? "";
    return { url: withCredentialsOf(registry, tarball), checksum, filename };
  } catch (error) {
    throw unexpectedAnswer(document, "no usable checksum", error);
  }
}
