/**
 * Strict reading of request bodies.
 *
 * A parameter that would change the answer and is not implemented is refused by name, never
 * ignored; so is a key that nobody knows. Known parameters with a value that changes nothing (such
 * as `n: 1`) pass, since client libraries send them.
 */

import type { z } from "zod";
import { ApiError } from "./errors.ts";

/** Whether a value of an unsupported parameter leaves the answer as it is. */
export type IsHarmless = (value: unknown) => boolean;

/** Parameters that OpenAI or other servers define and Baton does not implement. */
export type UnsupportedParameters = Readonly<Record<string, IsHarmless>>;

/** Harmless when null or one of `values`. */
export function onlyValues(...values: readonly unknown[]): IsHarmless {
  return (value) => value === null || values.includes(value);
}

/** Harmless when null, or an array or object with nothing in it. */
export function onlyEmpty(value: unknown): boolean {
  return value === null || (typeof value === "object" && Object.keys(value).length === 0);
}

export interface RefusalOptions {
  readonly known: ReadonlySet<string>;
  readonly unsupported: UnsupportedParameters;
  /** Path of `object` inside the body, empty at its top. */
  readonly path?: string;
}

/** Throws an ApiError that names the first unsupported or unknown key of `object`. */
export function refuseUnsupported(
  object: Readonly<Record<string, unknown>>,
  { known, unsupported, path = "" }: RefusalOptions,
): void {
  for (const key of Object.keys(object)) {
    if (known.has(key)) continue;
    const param = path === "" ? key : `${path}.${key}`;
    if (!Object.hasOwn(unsupported, key)) {
      throw unknownParameter(param);
    }
    if (unsupported[key]?.(object[key]) !== true) {
      throw new ApiError(
        "unsupported_parameter",
        `Cannot use ${param} with this value: it is not supported, leave it out`,
        { param },
      );
    }
  }
}

function unknownParameter(param: string): ApiError {
  return new ApiError("unknown_parameter", `Unrecognized request argument supplied: ${param}`, {
    param,
  });
}

/**
 * Parses `value`, the body or what stands at `path` in it; the first problem becomes an ApiError with
 * the parameter's exact path.
 */
export function parseBody<S extends z.ZodType>(schema: S, value: unknown, path = ""): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw issueError(result.error.issues[0], path === "" ? [] : [path]);
}

function issueError(
  issue: z.core.$ZodIssue | undefined,
  prefix: readonly PropertyKey[],
): ApiError {
  if (issue === undefined) return new ApiError("invalid_value", "Cannot read the request");
  const deepest = deepestIssue(issue, prefix);
  const param = deepest.path.map(String).join(".");
  const isMissing = deepest.issue.input === undefined && param !== "";
  if (isMissing) {
    return new ApiError("missing_required_parameter", `Missing required parameter: ${param}`, {
      param,
    });
  }
  if (deepest.issue.code === "unrecognized_keys") {
    return unknownParameter([...deepest.path, deepest.issue.keys[0]].map(String).join("."));
  }
  const where = param === "" ? "the request" : param;
  return new ApiError("invalid_value", `Cannot use ${where}: ${deepest.issue.message}`, {
    ...(param === "" ? {} : { param }),
  });
}

interface DeepestIssue {
  readonly issue: z.core.$ZodIssue;
  readonly path: readonly PropertyKey[];
}

/**
 * In a union, the branch that got furthest explains best: the one with the longest path, then one
 * whose value has the right type but not the right content.
 */
function deepestIssue(issue: z.core.$ZodIssue, prefix: readonly PropertyKey[]): DeepestIssue {
  const path = [...prefix, ...issue.path];
  let best: DeepestIssue = { issue, path };
  if (issue.code !== "invalid_union") return best;
  for (const [first] of issue.errors) {
    if (first === undefined) continue;
    const candidate = deepestIssue(first, path);
    const isFurther = candidate.path.length > best.path.length ||
      (best.issue === issue && candidate.path.length === best.path.length &&
        candidate.issue.code !== "invalid_type");
    if (isFurther) best = candidate;
  }
  return best;
}

/** The JSON object of a body's text. Throws `invalid_json` or `invalid_value`. */
export function parseJsonObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ApiError("invalid_json", "Cannot parse the request body: it is not valid JSON", {
      cause,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ApiError("invalid_value", "Cannot use the request body: it must be a JSON object");
  }
  return value as Readonly<Record<string, unknown>>;
}
