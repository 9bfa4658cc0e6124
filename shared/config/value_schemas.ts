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
  return text(fallback, /^https?:\/\/\S+$/, hint)
    .refine((url) => url === "" || URL.canParse(url), hint);
}

/** Text as it is, of `pattern` where there is one. */
export function text(fallback: string, pattern?: RegExp, hint?: string): z.ZodType<string> {
  return z.string().optional().transform((value, context) => {
    if (value === undefined || value.trim() === "") return fallback;
    if (pattern === undefined || pattern.test(value)) return value;
    context.addIssue({ code: "custom", message: hint ?? `must match ${pattern.source}` });
    return z.NEVER;
  });
}

/** One of `words`. */
export function choice<const T extends string>(words: readonly T[], fallback: T): z.ZodType<T> {
  return z.string().optional().transform((value, context) => {
    const word = value?.trim().toLowerCase() || fallback;
    const chosen = words.find((candidate) => candidate === word);
    if (chosen !== undefined) return chosen;
    context.addIssue({ code: "custom", message: `use one of ${words.join(", ")}` });
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

/** `key=value,key=value` with percent-encoded values, as OTel writes headers and resources. */
export function pairs(): z.ZodType<Readonly<Record<string, string>>> {
  return optionalPairs().transform((record) => record ?? {});
}

/** Like `pairs`: undefined when unset. */
export function optionalPairs(): z.ZodType<Readonly<Record<string, string>> | undefined> {
  return z.string().optional().transform((value, context) => {
    if (value === undefined || value.trim() === "") return undefined;
    const record: Record<string, string> = {};
    for (const item of value.split(",")) {
      if (item.trim() === "") continue;
      const equals = item.indexOf("=");
      try {
        if (equals < 1) throw new TypeError("no key");
        record[item.slice(0, equals).trim()] = decodeURIComponent(item.slice(equals + 1).trim());
      } catch {
        context.addIssue({ code: "custom", message: `use key=value pairs joined by commas` });
        return z.NEVER;
      }
    }
    return record;
  });
}
