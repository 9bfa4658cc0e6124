/** The error envelope as a schema, for the OpenAPI document. */

import { z } from "zod";
import { timingsSchema } from "./timings.ts";

export const errorBodySchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string(),
  }),
  timings: timingsSchema.optional(),
});
