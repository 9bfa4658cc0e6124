/** A weights file that Baton cannot use. The message says which file, what is wrong and where. */
export class ModelFileError extends Error {
  override readonly name = "ModelFileError";
  readonly path: string;

  constructor(path: string, problem: string, options?: ErrorOptions) {
    super(`Cannot use model file ${path}: ${problem}`, options);
    this.path = path;
  }
}
