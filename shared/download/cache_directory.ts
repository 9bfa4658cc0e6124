import { join } from "@std/path/mod.js";

export interface CacheDirectoryOptions {
  /** `Deno.build.os`. */
  readonly os: typeof Deno.build.os;
  /** The environment, such as `Deno.env.toObject()`. */
  readonly env: Readonly<Record<string, string>>;
  /** Takes precedence over the platform's own place. */
  readonly override?: string;
}

/**
 * The folder for models and provisioned programs: XDG_CACHE_HOME/baton or ~/.cache/baton,
 * ~/Library/Caches/baton on macOS, %LOCALAPPDATA%\baton on Windows. Does not create it.
 *
 * Throws an Error when the environment names no home.
 */
export function cacheDirectory(options: CacheDirectoryOptions): string {
  const { os, env } = options;
  if (options.override) return options.override;
  if (os === "windows") {
    if (env.LOCALAPPDATA) return join(env.LOCALAPPDATA, "baton");
    throw new Error("Cannot choose a cache directory: LOCALAPPDATA is not set; set DYN_CACHE_DIR");
  }
  // XDG says that a relative path is to be ignored.
  if (os !== "darwin" && env.XDG_CACHE_HOME?.startsWith("/")) {
    return join(env.XDG_CACHE_HOME, "baton");
  }
  if (!env.HOME) {
    throw new Error("Cannot choose a cache directory: HOME is not set; set DYN_CACHE_DIR");
  }
  return os === "darwin"
    ? join(env.HOME, "Library", "Caches", "baton")
    : join(env.HOME, ".cache", "baton");
}
