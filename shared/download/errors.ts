/** Why a download or an archive could not be used. */
export type DownloadFailure =
  /** The server has no such file, package or version. */
  | "not_found"
  /** The server wants a login, or forbids the request. */
  | "refused"
  /** Not in the cache, and the caller forbade the network. */
  | "not_cached"
  /** No answer: offline, a wrong proxy, a wrong host name. */
  | "unreachable"
  /** The server keeps failing, or answers with something that cannot be used. */
  | "server_error"
  /** The connection broke more often than retries allow. */
  | "incomplete"
  | "checksum"
  | "disk_full"
  | "not_writable"
  | "bad_archive";

/** A download failed; the message is one sentence that says what to do. */
export class DownloadError extends Error {
  override name = "DownloadError";
  constructor(readonly failure: DownloadFailure, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Turns an error of the file system into a sentence; other errors pass unchanged. */
export function describeWriteError(error: unknown, path: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = "code" in error ? error.code : undefined;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new DownloadError(
      "disk_full",
      `Cannot write ${path}: the disk is full; free some space or set DYN_CACHE_DIR to another folder`,
      { cause: error },
    );
  }
  if (
    error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable ||
    error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory ||
    code === "EROFS"
  ) {
    return new DownloadError(
      "not_writable",
      `Cannot write ${path}: ${error.message}; set DYN_CACHE_DIR to a folder that can be written`,
      { cause: error },
    );
  }
  return error;
}
