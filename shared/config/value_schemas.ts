/** How the text of a variable becomes its value: each schema takes what the environment holds. */

import { z } from "zod";
import { parseLogFilter } from "../telemetry/log/filter.ts";

const TRUE_WORDS = ["1", "true", "on", "yes"];
const FALSE_WORDS = ["0", "false", "off", "no", ""];

/** One of the words for yes and no. */
export function flag(fallback: boolean): z.ZodType<boolean> {
  return z.string().optional().transform((text, context) => {
    if (text === undefined) return fallback;
    const word = text.trim().toLowerCase();
    if (TRUE_WORDS.includes(word)) return true;
    if (FALSE_WORDS.includes(word)) return false;
    context.addIssue({
      code: "custom",
      message: `use one of ${TRUE_WORDS.join(", ")}, 0, false, off, no`,
    });
    return z.NEVER;
  });
}

/** A whole number. */
export function integer(fallback: number, min: number, max: number): z.ZodType<number> {
  return optionalInteger(min, max).transform((value) => value ?? fallback);
}

/** Like `integer`, without a default: undefined when unset. */
export function optionalInteger(min: number, max: number): z.ZodType<number | undefined> {
  return z.string().optional().transform((text, context) => {
    if (text === undefined || text.trim() === "") return undefined;
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    context.addIssue({ code: "custom", message: `use a whole number from ${min} to ${max}` });
    return z.NEVER;
  });
}

/** A number that need not be whole. */
export function number(fallback: number, min: number, max: number): z.ZodType<number> {
  return z.string().optional().transform((text, context) => {
    if (text === undefined || text.trim() === "") return fallback;
    const value = Number(text);
    if (value >= min && value <= max) return value;
    context.addIssue({ code: "custom", message: `use a number from ${min} to ${max}` });
    return z.NEVER;
  });
}

/** An address that begins with http:// or https://. */
export function httpUrl(fallback: string): z.ZodType<string> {
  const hint = "use an http:// or https:// URL";
  return text(fallback, { pattern: /^https?:\/\/\S+$/i, hint })
    .refine((url) => url === "" || URL.canParse(url), hint);
}

export interface TextFormat {
  readonly pattern: RegExp;
  /** What to change where the text is not of the pattern. */
  readonly hint: string;
}

/** Text without the spaces around it. */
export function text(fallback: string, format?: TextFormat): z.ZodType<string> {
  return z.string().optional().transform((value, context) => {
    const given = value?.trim() ?? "";
    if (given === "") return fallback;
    if (format === undefined || format.pattern.test(given)) return given;
    context.addIssue({ code: "custom", message: format.hint });
    return z.NEVER;
  });
}

/** One of `words`. */
export function choice<const T extends string>(words: readonly T[], fallback: T): z.ZodType<T> {
  return optionalChoice(words).transform((word) => word ?? fallback);
}

/**
 * Like `choice`, without a default: undefined when unset.
 *
 * @param hints what to say of words that are no choice
 */
export function optionalChoice<const T extends string>(
  words: readonly T[],
  hints: Readonly<Record<string, string>> = {},
): z.ZodType<T | undefined> {
  return z.string().optional().transform((value, context) => {
    const word = value?.trim().toLowerCase() ?? "";
    const chosen = words.find((candidate) => candidate === word);
    if (chosen !== undefined || word === "") return chosen;
    const hint = Object.hasOwn(hints, word) ? hints[word] : undefined;
    context.addIssue({ code: "custom", message: hint ?? `use one of ${words.join(", ")}` });
    return z.NEVER;
  });
}

/** A log filter as `DYN_LOG` writes it. */
export function logFilter(fallback: string): z.ZodType<string> {
  return z.string().optional().transform((value, context) => {
    const filter = value?.trim() || fallback;
    try {
      parseLogFilter(filter);
      return filter;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
  });
}

type Pairs = Readonly<Record<string, string>>;

/** `key=value,key=value` with percent-encoded keys and values, as OTel writes a resource. */
export function resourcePairs(): z.ZodType<Pairs> {
  return pairs({ areKeysEncoded: true }).transform((record) => record ?? {});
}

/** `name=value,name=value` with percent-encoded values, as OTel writes headers. */
export function headers(): z.ZodType<Pairs> {
  return optionalHeaders().transform((record) => record ?? {});
}

const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Like `headers`: undefined when unset. */
export function optionalHeaders(): z.ZodType<Pairs | undefined> {
  return pairs({ areKeysEncoded: false }).refine(
    (record) =>
      Object.entries(record ?? {}).every(([name, value]) =>
        HEADER_NAME.test(name) && HEADER_VALUE.test(value)
      ),
    "use header names of letters, digits and dashes, and values without line breaks and signs beyond Latin-1",
  );
}

function pairs({ areKeysEncoded }: { areKeysEncoded: boolean }): z.ZodType<Pairs | undefined> {
  return z.string().optional().transform((value, context) => {
    if (value === undefined || value.trim() === "") return undefined;
    const record: Record<string, string> = {};
    for (const item of value.split(",")) {
      if (item.trim() === "") continue;
      const equals = item.indexOf("=");
      try {
        const key = item.slice(0, equals).trim();
        if (equals < 1 || key === "") throw new TypeError("no key");
        record[areKeysEncoded ? decodeURIComponent(key) : key] = decodeURIComponent(
          item.slice(equals + 1).trim(),
        );
      } catch {
        context.addIssue({ code: "custom", message: `use key=value pairs joined by commas` });
        return z.NEVER;
      }
    }
    return record;
  });
}
