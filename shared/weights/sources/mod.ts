/** Where models come from. */
export * from "./catalogue.ts";
export * from "./model_spec.ts";
export * from "./resolve_model.ts";
export * from "./environment.ts";
