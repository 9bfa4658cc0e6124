/**
 * The packages that the page's modules import: browsers load them as one module, bundled from their
 * pinned versions and kept in the repository, so that nobody who runs Baton builds anything. The bundle
 * says of which versions and which entry it is.
 */

import { encodeHex } from "@std/encoding/hex.js";

/** Package names as the page's modules import them. */
export const PAGE_PACKAGES: readonly string[] = [
  "@opentelemetry/api",
  "@opentelemetry/otlp-transformer",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace",
];

const FOLDER = new URL("./page/packages/", import.meta.url);
/** What the bundle is made of. */
export const ENTRY = new URL("opentelemetry.ts", FOLDER);
export const BUNDLE = new URL("opentelemetry.js", FOLDER);

const CONFIGURATION = new URL("../../deno.json", import.meta.url);
const MARK = "// baton.sources ";

/** The first lines of a bundle of these sources. */
export async function bundleHead(): Promise<string> {
  return `${MARK}${await sourceDigest()}
// Bundled from ${(await versions()).join(", ")}.
// Copyright The OpenTelemetry Authors. Licensed under the Apache License, Version 2.0.
`;
}

/** Says what to do where the bundle is missing or of other sources; undefined where not. */
export async function bundleProblem(): Promise<string | undefined> {
  const remedy = "run `deno task build-page-packages`";
  let text: string;
  try {
    text = await Deno.readTextFile(BUNDLE);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return `the page's packages are not bundled: ${remedy}`;
  }
  return text.startsWith(await bundleHead())
    ? undefined
    : `the page's packages are bundled from other versions than deno.json has: ${remedy}`;
}

async function sourceDigest(): Promise<string> {
  const text = JSON.stringify([await versions(), await Deno.readTextFile(ENTRY)]);
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return encodeHex(new Uint8Array(hash));
}

/** `@opentelemetry/api@1.10.0` each. */
async function versions(): Promise<string[]> {
  const { imports }: { imports: Readonly<Record<string, string>> } = JSON.parse(
    await Deno.readTextFile(CONFIGURATION),
  );
  return PAGE_PACKAGES.map((name) => (imports[name] ?? name).replace(/^npm:/, ""));
}
