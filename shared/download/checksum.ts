/** Checksums as registries state them: sha256 in hex (PyPI, our own pins), SRI strings (npm). */

import { createHash } from "node:crypto";

export interface Checksum {
  readonly algorithm: "sha1" | "sha256" | "sha512";
  /** Lower-case hex. */
  readonly hex: string;
}

const HEX_LENGTH = { sha1: 40, sha256: 64, sha512: 128 } as const;

export function sha256Checksum(hex: string): Checksum {
  return checksum("sha256", hex.toLowerCase());
}

function checksum(algorithm: Checksum["algorithm"], hex: string): Checksum {
  if (!/^[0-9a-f]+$/.test(hex) || hex.length !== HEX_LENGTH[algorithm]) {
    throw new RangeError(
      `Cannot use "${hex}" as ${algorithm}: it needs ${HEX_LENGTH[algorithm]} hex digits`,
    );
  }
  return { algorithm, hex };
}

/**
 * The strongest checksum of an SRI string such as `sha512-…base64… sha1-…`.
 * Throws a RangeError when it holds none that is known.
 */
export function parseIntegrity(integrity: string): Checksum {
  for (const algorithm of ["sha512", "sha256", "sha1"] as const) {
    const part = integrity.split(/\s+/).find((item) => item.startsWith(`${algorithm}-`));
    if (part === undefined) continue;
    const base64 = part.slice(algorithm.length + 1).split("?")[0] ?? "";
    let hex = "";
    try {
      hex = [...atob(base64)].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("");
    } catch {
      // Reported below as a wrong length.
    }
    return checksum(algorithm, hex);
  }
  throw new RangeError(`Cannot use integrity "${integrity}": no sha512, sha256 or sha1 in it`);
}

/** Hex sha256 of a file, read in pieces. */
export async function fileSha256(path: string): Promise<string> {
  using file = await Deno.open(path);
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1 << 20);
  for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
    hash.update(buffer.subarray(0, count));
  }
  return hash.digest("hex");
}
