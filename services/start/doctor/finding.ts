/** What the doctor found, one line each. */

import { redactText } from "../../../shared/telemetry/log/redact.ts";
import { type Symptom, SYMPTOMS } from "./symptoms.ts";

/** - `bad`: stops Baton, or its traces. `note`: worth knowing. */
export type Grade = "good" | "note" | "bad";

export interface Finding {
  readonly grade: Grade;
  readonly subject: string;
  readonly text: string;
  /** Absent where all is well. */
  readonly symptom?: Symptom;
}

/** Something that is as it should be. */
export function good(subject: string, text: string): Finding {
  return { grade: "good", subject, text: redactText(text) };
}

/** Something that is not, with what to do. `facts` is a sentence without its full stop. */
export function trouble(
  grade: "note" | "bad",
  symptom: Symptom,
  facts: string,
): Finding {
  const { subject, remedy } = SYMPTOMS[symptom];
  return { grade, subject, symptom, text: redactText(`${facts}. ${remedy}`) };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
