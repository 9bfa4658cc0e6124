/** What is known of one environment variable. */

import type { z } from "zod";

/** Services that read a variable. */
export type Service = "frontend" | "prefill" | "decode" | "start" | "trace" | "traces";

export interface Variable<T> {
  readonly schema: z.ZodType<T>;
  /** As the table prints it. */
  readonly defaultText: string;
  readonly services: readonly Service[];
  readonly meaning: string;
  /** Hidden in dumps and messages. */
  readonly isSecret?: boolean;
}

/** Declares a variable that `services` read. */
export function variable<T>(
  services: readonly Service[],
  schema: z.ZodType<T>,
  defaultText: string,
  meaning: string,
  isSecret = false,
): Variable<T> {
  return { schema, defaultText, services, meaning, isSecret };
}
