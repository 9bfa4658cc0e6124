/** Weights files: opening, checking, unpacking and converting them. */
export * from "./errors.ts";
export * from "./gguf.ts";
export * from "./llama2c.ts";
export * from "./model_file.ts";
export * from "./tensor_types.ts";
