/** The routes that list attributes and their values, for completion in query editors. */

import type { Context, Hono } from "hono";
import type { TagScope } from "../../shared/trace_store/mod.ts";
import {
  type AttributeRef,
  attributeRef,
  parseAttributeName,
  parseQuery,
  type Query,
  QueryError,
  SPAN_KEYWORDS,
  type Static,
  staticText,
} from "../../shared/traceql/mod.ts";
import { typedValue } from "./answer_shapes.ts";
import { ParameterError, timeRange, wholeNumber } from "./query_parameters.ts";
import type { QueryApiOptions } from "./query_api.ts";

/** Those that Tempo lists. */
const INTRINSIC_TAGS = [
  "duration",
  "event:name",
  "event:timeSinceStart",
  "instrumentation:name",
  "instrumentation:version",
  "kind",
  "link:spanID",
  "link:traceID",
  "name",
  "rootName",
  "rootServiceName",
  "span:duration",
  "span:id",
  "span:kind",
  "span:name",
  "span:parentID",
  "span:status",
  "span:statusMessage",
  "status",
  "statusMessage",
  "trace:duration",
  "trace:id",
  "trace:rootName",
  "trace:rootService",
  "traceDuration",
];
const SCOPES: ReadonlySet<string> = new Set([
  "intrinsic",
  "event",
  "instrumentation",
  "link",
  "resource",
  "span",
]);
const DEFAULT_VALUES = 1000;
const MAX_VALUES = 10_000;

export function addTagRoutes(app: Hono, { store }: Pick<QueryApiOptions, "store">): void {
  const scopedKeys = async (c: Context) => {
    const parameters = new URL(c.req.url).searchParams;
    const scope = parameters.get("scope") || "none";
    if (scope !== "none" && !SCOPES.has(scope)) throw new ParameterError(`invalid scope: ${scope}`);
    const limit = wholeNumber(parameters, "limit", { fallback: MAX_VALUES, max: MAX_VALUES });
    const keys = await store.tagKeys(timeRange(parameters), c.req.raw.signal);
    return [...keys]
      .filter(([name]) => scope === "none" || scope === name)
      .map(([name, tags]): [TagScope, string[]] => [name, tags.slice(0, limit)]);
  };

  app.get("/api/search/tags", async (c) => {
    const keys = await scopedKeys(c);
    const tagNames = [...new Set(keys.flatMap(([, tags]) => tags))].sort();
    return c.json({ tagNames, metrics: {} });
  });

  app.get("/api/v2/search/tags", async (c) => {
    const scope = c.req.query("scope") || "none";
    const keys = await scopedKeys(c);
    const scopes = keys.map(([name, tags]) => ({ name, tags }));
    const intrinsics = scope === "none" || scope === "intrinsic"
      ? [{ name: "intrinsic", tags: INTRINSIC_TAGS }]
      : [];
    return c.json({ scopes: [...intrinsics, ...scopes], metrics: {} });
  });

  const values = async (ref: AttributeRef, c: Context): Promise<Static[]> => {
    const keywords = ref.scope === "intrinsic" ? SPAN_KEYWORDS[ref.name] : undefined;
    if (keywords !== undefined) return [...keywords];
    const parameters = new URL(c.req.url).searchParams;
    return await store.tagValues({
      ref,
      range: timeRange(parameters),
      query: filterOf(parameters.get("q") ?? ""),
      limit: wholeNumber(parameters, "limit", { fallback: DEFAULT_VALUES, max: MAX_VALUES }),
    }, c.req.raw.signal);
  };

  app.get("/api/v2/search/tag/:name{.+}/values", async (c) => {
    const ref = tagRef(c.req.param("name"));
    return c.json({ tagValues: (await values(ref, c)).map(typedValue), metrics: {} });
  });

  app.get("/api/search/tag/:name{.+}/values", async (c) => {
    const found = await values(attributeRef("any", c.req.param("name")), c);
    return c.json({ tagValues: [...new Set(found.map(staticText))].sort(), metrics: {} });
  });
}

function tagRef(name: string): AttributeRef {
  try {
    return parseAttributeName(name);
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    throw new ParameterError(`please provide a valid tagName: ${error.message}`);
  }
}

/** Editors send the query that is being written: one that does not parse yet filters nothing. */
function filterOf(q: string): Query | null {
  if (q === "" || q === "{}") return null;
  try {
    return parseQuery(q);
  } catch (error) {
    if (error instanceof QueryError) return null;
    throw error;
  }
}
