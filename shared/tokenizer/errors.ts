/** A tokenizer that cannot be built from its data, or ids that it does not have. */
export class TokenizerError extends Error {
  override readonly name = "TokenizerError";
}

/**
 * A chat template that cannot be compiled or rendered.
 *
 * `rejected`: the template itself refused the messages through `raise_exception` (roles in a wrong
 * order, tools that it does not know): the client's request is at fault. `broken`: the template
 * cannot be read or fails on its own: the model's file is at fault.
 */
export class ChatTemplateError extends Error {
  override readonly name = "ChatTemplateError";
  readonly code: "rejected" | "broken";

  constructor(code: "rejected" | "broken", message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
