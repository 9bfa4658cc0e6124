/** Whether the store of the traces knows the services by the names under which they are looked for. */

import { z } from "zod";
import { fetchFailure } from "../../../shared/process/fetch_failure.ts";
import type { Address } from "./deployment_findings.ts";
import { type Finding, good, trouble } from "./finding.ts";

type Headers = Readonly<Record<string, string>>;

const TIMEOUT_MS = 3_000;
const NAMES_PATH = "/api/v2/search/tag/resource.service.name/values";
const ROLES = ["frontend", "prefill", "decode"];

const valuesSchema = z.object({ tagValues: z.array(z.object({ value: z.string() })) });
const buildSchema = z.object({ revision: z.string() });

export type StoreAnswer =
  | { readonly kind: "names"; readonly names: readonly string[]; readonly isOwn: boolean }
  | { readonly kind: "unreachable"; readonly reason: string };

/** Asks Tempo's API for the names of the services. Never throws. */
export async function viewStore(
  url: string,
  headers: Headers,
): Promise<StoreAnswer> {
  const base = url.replace(/\/+$/, "");
  try {
    const { tagValues } = valuesSchema.parse(await getJson(base + NAMES_PATH, headers));
    return {
      kind: "names",
      names: tagValues.map(({ value }) => value),
      isOwn: await isOwn(base, headers),
    };
  } catch (error) {
    const reason = error instanceof z.ZodError
      ? "it does not answer as Tempo does"
      : fetchFailure(error, TIMEOUT_MS);
    return { kind: "unreachable", reason };
  }
}

/** Whether it is Baton's traces service and not a Tempo. */
async function isOwn(base: string, headers: Headers): Promise<boolean> {
  try {
    const { revision } = buildSchema.parse(await getJson(`${base}/api/status/buildinfo`, headers));
    return revision.startsWith("baton-");
  } catch {
    // Gateways before a Tempo need not let this through.
    return false;
  }
}

async function getJson(url: string, headers: Headers): Promise<unknown> {
  const response = await fetch(url, {
    headers,
    // A redirect would take the credentials elsewhere.
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`it answers ${response.status} to ${new URL(url).pathname}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`its answer to ${new URL(url).pathname} is no JSON`);
  }
}

export interface StoreExpectation {
  /** The service name that the settings give; empty for none. */
  readonly serviceName: string;
  /** Spans that the frontend has delivered, which should be there; null where none was asked. */
  readonly exportedSpans: number | null;
}

export function storeFindings(
  { url, isGiven }: Address,
  answer: StoreAnswer,
  { serviceName, exportedSpans }: StoreExpectation,
): Finding[] {
  if (answer.kind === "unreachable") {
    if (!isGiven) return [];
    return [trouble("bad", "store-unreachable", `No store at ${url}: ${answer.reason}`)];
  }
  const { names } = answer;
  if (exportedSpans === 0) return [good("store", `${url} answers; no span was sent so far`)];
  if (names.length === 0) {
    if (exportedSpans === null) return [];
    return [trouble("note", "store-empty", `The store at ${url} has no span`)];
  }
  const wanted = ROLES.map((role) => `${serviceName || "baton"}-${role}`);
  const known = [...wanted, serviceName].filter((name) => names.includes(name));
  if (known.length > 0) return [good("store", `${url} knows ${known.join(", ")}`)];
  const facts = `The store at ${url} knows ${names.toSorted().join(", ")}, and none of ` +
    [...new Set([serviceName, ...wanted])].filter(Boolean).join(", ");
  return [trouble("note", "service-name", facts)];
}
