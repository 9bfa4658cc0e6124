import { createHash, type Hash } from "node:crypto";
import { removeIfPresent, writeAll } from "./atomic_file.ts";
import type { Checksum } from "./checksum.ts";
import { describeWriteError } from "./errors.ts";

/** The bytes of a download that have arrived, hashed as they come. */
export class PartialFile implements Disposable {
  #file: Deno.FsFile;
  #hash: Hash;
  #sizeBytes: number;

  private constructor(
    readonly path: string,
    readonly algorithm: Checksum["algorithm"],
    file: Deno.FsFile,
  ) {
    this.#file = file;
    this.#hash = createHash(algorithm);
    this.#sizeBytes = 0;
  }

  /** Opens the file; with `keep`, hashes what is there and continues after it. */
  static async open(
    path: string,
    options: { readonly algorithm: Checksum["algorithm"]; readonly keep: boolean },
  ): Promise<PartialFile> {
    try {
      const file = await Deno.open(path, {
        create: true,
        read: true,
        write: true,
        truncate: !options.keep,
      });
      const partial = new PartialFile(path, options.algorithm, file);
      if (options.keep) await partial.#readExisting();
      return partial;
    } catch (error) {
      throw describeWriteError(error, path);
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async #readExisting(): Promise<void> {
    if (!(await this.#file.stat()).isFile) return;
    const buffer = new Uint8Array(1 << 20);
    for (
      let count = await this.#file.read(buffer);
      count !== null;
      count = await this.#file.read(buffer)
    ) {
      this.#hash.update(buffer.subarray(0, count));
      this.#sizeBytes += count;
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#file, chunk);
    } catch (error) {
      throw describeWriteError(error, this.path);
    }
    this.#hash.update(chunk);
    this.#sizeBytes += chunk.length;
  }

  /** Starts again from nothing. */
  async reset(): Promise<void> {
    if (this.#sizeBytes === 0) return;
    await this.#file.truncate(0);
    await this.#file.seek(0, Deno.SeekMode.Start);
    this.#hash = createHash(this.algorithm);
    this.#sizeBytes = 0;
  }

  /** Hex digest of the bytes so far. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Gives the file its final name. */
  async commit(path: string): Promise<void> {
    this.#file.close();
    try {
      await Deno.rename(this.path, path);
    } catch (error) {
      throw describeWriteError(error, path);
    }
  }

  async remove(): Promise<void> {
    this.#file.close();
    await removeIfPresent(this.path);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
