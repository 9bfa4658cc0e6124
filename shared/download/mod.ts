/** Files from registries, hubs and plain HTTP into the user's cache. */
export * from "./atomic_file.ts";
export * from "./cache_directory.ts";
export * from "./checksum.ts";
export * from "./download_file.ts";
export * from "./errors.ts";
export * from "./file_lock.ts";
export * from "./hub.ts";
export * from "./package_file.ts";
export * from "./registries.ts";
export * from "./tar_reader.ts";
