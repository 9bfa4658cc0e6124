/**
 * Downloads that survive broken connections, killed processes and each other.
 *
 * Bytes go to `<path>.part` and are renamed once complete and right, so `path` is whole or absent.
 * A part continues by an HTTP range: within one call when the server's validator (ETag) still
 * holds, across processes only when a checksum is known, since nothing else would notice a file
 * that changed in between. One process downloads a path at a time; the others wait and find it.
 */

import { delay } from "@std/async/delay.js";
import { isFile, removeIfPresent } from "./atomic_file.ts";
import type { Checksum } from "./checksum.ts";
import { DownloadError } from "./errors.ts";
import { withFileLock } from "./file_lock.ts";
import {
  describeNetworkError,
  httpGet,
  notCached,
  shownUrl,
  TransientError,
} from "./http_request.ts";
import { IdleSignal } from "./idle_signal.ts";
import { PartialFile } from "./partial_file.ts";

/** How far a download is. */
export interface Progress {
  /** What is being downloaded, for people. */
  readonly item: string;
  readonly receivedBytes: number;
  /** Absent when the server does not say. */
  readonly totalBytes?: number;
}

export interface DownloadOptions {
  readonly checksum?: Checksum;
  /** Shown in progress; the file's name by default. */
  readonly item?: string;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  /** Never ask the network: what is not in the cache is an error (`not_cached`). */
  readonly cacheOnly?: boolean;
  /** Attempts without a single new byte after which to give up; default 4. */
  readonly attempts?: number;
  /** Wait before the first retry, doubled for each further one; default 500. */
  readonly retryDelayMs?: number;
  /** Silence after which a connection counts as broken; default 30,000. */
  readonly idleTimeoutMs?: number;
}

const MAX_RETRY_DELAY_MS = 15_000;

/**
 * Downloads `url` to `path` unless it exists.
 *
 * Throws a DownloadError whose message says what to do, or the signal's reason.
 */
export async function downloadFile(
  url: string,
  path: string,
  options: DownloadOptions = {},
): Promise<void> {
  await withFileLock(path, async () => {
    if (await isFile(path)) return;
    if (options.cacheOnly) throw notCached(url);
    const partPath = `${path}.part`;
    const algorithm = options.checksum?.algorithm ?? "sha256";
    using part = await PartialFile.open(partPath, {
      algorithm,
      keep: options.checksum !== undefined,
    });
    try {
      await receive(url, part, options);
      await part.commit(path);
    } catch (error) {
      // Without a checksum nothing could continue this part.
      if (options.checksum === undefined) await part.remove();
      throw error;
    }
  }, options);
}

async function receive(url: string, part: PartialFile, options: DownloadOptions): Promise<void> {
  const attempts = options.attempts ?? 4;
  const transfer = new Transfer(url, part, options);
  for (let failures = 0;;) {
    const startBytes = part.sizeBytes;
    try {
      await transfer.attempt();
      if (await isRight(transfer, options.checksum)) return;
      failures = 0;
      continue;
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      failures = part.sizeBytes > startBytes ? 1 : failures + 1;
      if (failures >= attempts) throw error.outcome;
      const backoffMs = (options.retryDelayMs ?? 500) * 2 ** (failures - 1);
      const waitMs = Math.min(error.retryAfterMs ?? backoffMs, MAX_RETRY_DELAY_MS);
      await delay(waitMs, { signal: options.signal });
    }
  }
}

/** False when bytes of an earlier process made the part wrong: it was emptied for another try. */
async function isRight(transfer: Transfer, checksum: Checksum | undefined): Promise<boolean> {
  if (checksum === undefined) return true;
  const digest = transfer.part.digest();
  if (digest === checksum.hex) return true;
  await transfer.part.reset();
  if (transfer.isContinued) {
    transfer.isContinued = false;
    return false;
  }
  await removeIfPresent(transfer.part.path);
  throw new DownloadError(
    "checksum",
    `Cannot use ${shownUrl(transfer.url)}: its ${checksum.algorithm} is ${digest}, expected ` +
      `${checksum.hex}; the file was altered on its way or at its source; try another mirror`,
  );
}

/** The state that one download carries from attempt to attempt. */
class Transfer {
  /** True while the part holds bytes that an earlier process received. */
  isContinued: boolean;
  /** Strong ETag of the bytes in the part. */
  #validator: string | null = null;
  #isComplete = false;

  constructor(
    readonly url: string,
    readonly part: PartialFile,
    readonly options: DownloadOptions,
  ) {
    this.isContinued = part.sizeBytes > 0;
  }

  /** Appends to the part until it is complete, or throws. */
  async attempt(): Promise<void> {
    const { part, options } = this;
    this.#isComplete = false;
    const idle = new IdleSignal(options.idleTimeoutMs ?? 30_000, options.signal);
    try {
      if (part.sizeBytes > 0 && options.checksum === undefined && this.#validator === null) {
        await part.reset();
      }
      const response = await httpGet(this.url, {
        headers: { "accept-encoding": "identity", ...options.headers, ...this.#rangeHeaders() },
        signal: idle.signal,
      });
      const totalBytes = await this.#accept(response);
      if (!this.#isComplete) await this.#readBody(response, totalBytes, idle);
    } catch (error) {
      if (idle.isExpired) throw this.#broken("no byte arrived in time");
      throw error;
    } finally {
      idle.end();
    }
  }

  #rangeHeaders(): Record<string, string> {
    const { sizeBytes } = this.part;
    if (sizeBytes === 0) return {};
    const range = { range: `bytes=${sizeBytes}-` };
    return this.#validator === null ? range : { ...range, "if-range": this.#validator };
  }

  /** Makes the part agree with where the response's body starts; returns the whole file's size. */
  async #accept(response: Response): Promise<number | undefined> {
    const { part } = this;
    const span = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(
      response.headers.get("content-range") ?? "",
    );
    const spanTotal = span?.[2] === undefined || span[2] === "*" ? undefined : Number(span[2]);
    if (response.status === 416) {
      await response.body?.cancel();
      this.#isComplete = part.sizeBytes > 0 && spanTotal === part.sizeBytes;
      if (this.#isComplete) return spanTotal;
      await this.#restart();
      throw this.#broken("the server refused to continue it");
    }
    if (response.status === 206) {
      if (span?.[1] !== undefined && Number(span[1]) === part.sizeBytes) return spanTotal;
      await response.body?.cancel();
      await this.#restart();
      throw this.#broken("the server continued it at the wrong place");
    }
    await this.#restart();
    const etag = response.headers.get("etag");
    this.#validator = etag !== null && !etag.startsWith("W/") ? etag : null;
    const length = response.headers.get("content-length");
    return length === null ? undefined : Number(length);
  }

  async #restart(): Promise<void> {
    await this.part.reset();
    this.isContinued = false;
    this.#validator = null;
  }

  async #readBody(
    response: Response,
    totalBytes: number | undefined,
    idle: IdleSignal,
  ): Promise<void> {
    const { part, options } = this;
    const item = options.item ?? shownUrl(this.url);
    const report = () => {
      options.onProgress?.({ item, receivedBytes: part.sizeBytes, totalBytes });
    };
    report();
    const reader = (response.body ?? new Blob([]).stream()).getReader();
    for (;;) {
      const { value, done } = await reader.read().catch((error) => {
        options.signal?.throwIfAborted();
        throw this.#broken(describeNetworkError(error));
      });
      if (done) break;
      idle.restart();
      await part.write(value);
      report();
    }
    if (totalBytes !== undefined && part.sizeBytes !== totalBytes) {
      if (part.sizeBytes > totalBytes) await this.#restart();
      throw this.#broken(`it ended after ${part.sizeBytes} of ${totalBytes} bytes`);
    }
  }

  #broken(reason: string): TransientError {
    return new TransientError(
      new DownloadError(
        "incomplete",
        `Cannot download ${shownUrl(this.url)}: the connection keeps breaking (${reason}); ` +
          "try again, what has arrived is kept where its checksum is known",
      ),
    );
  }
}
