/** The model hub's API: a repository's files, and the sha256 of those in large-file storage. */

import { z } from "zod";
import { type Checksum, sha256Checksum } from "./checksum.ts";
import { DownloadError } from "./errors.ts";
import type { Registries } from "./registries.ts";
import {
  type DocumentOptions,
  getDocument,
  parseJson,
  unexpectedAnswer,
} from "./registry_document.ts";

export interface HubFile {
  /** Path inside the repository. */
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Absent for small files outside large-file storage. */
  readonly checksum?: Checksum;
}

const ModelDocument = z.looseObject({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(z.looseObject({
    rfilename: z.string(),
    lfs: z.looseObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }).nullish(),
  })),
});

/** Lists the files of `org/repo` at its newest revision. Throws a DownloadError. */
export async function listHubFiles(
  repository: string,
  registries: Registries,
  options: DocumentOptions = {},
): Promise<HubFile[]> {
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository)) {
    throw new DownloadError("not_found", `Cannot find model "${repository}": use org/repo`);
  }
  const headers: Record<string, string> = registries.hubToken === undefined
    ? {}
    : { authorization: `Bearer ${registries.hubToken}` };
  const document = await getDocument(`${registries.hub}/api/models/${repository}?blobs=true`, {
    ...options,
    headers,
    accept: "application/json",
  });
  const parsed = ModelDocument.safeParse(parseJson(document));
  if (!parsed.success) throw unexpectedAnswer(document, "no list of files");
  const { sha, siblings } = parsed.data;
  return siblings.map(({ rfilename, lfs }) => ({
    name: rfilename,
    url: `${registries.hub}/${repository}/resolve/${sha}/${
      rfilename.split("/").map(encodeURIComponent).join("/")
    }`,
    headers,
    checksum: lfs ? sha256Checksum(lfs.sha256) : undefined,
  }));
}
