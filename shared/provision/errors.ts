/** Something that Baton needs is not there and cannot be fetched; the message says what to run. */
export class ProvisionError extends Error {
  override name = "ProvisionError";
}
