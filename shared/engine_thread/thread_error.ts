/** Errors do not cross threads as objects: their class name and message do. */

import { DeviceError } from "../engine/backend.ts";

export interface ThreadErrorMessage {
  readonly type: "failed";
  readonly name: string;
  readonly message: string;
}

/** What the engine thread posts of an error: the first one, where closing failed after it. */
export function toThreadErrorMessage(error: unknown): ThreadErrorMessage {
  if (error instanceof SuppressedError) return toThreadErrorMessage(error.suppressed);
  if (error instanceof Error) return { type: "failed", name: error.name, message: error.message };
  return { type: "failed", name: "Error", message: String(error) };
}

/** The error on the main thread: a DeviceError again where it was one, else one of the same name. */
export function threadError({ name, message }: ThreadErrorMessage): Error {
  if (name === "DeviceError") return new DeviceError(message);
  const error = new Error(message);
  error.name = name;
  return error;
}
