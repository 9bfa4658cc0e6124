/** Why a text ended. */

import { z } from "zod";

export const finishReasonSchema = z.enum(["stop", "length"]);

export type CompletionFinishReason = z.infer<typeof finishReasonSchema>;
