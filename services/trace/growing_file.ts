/** A file that others append to, read as it grows; a new file under its name is taken up too. */

const CHUNK_BYTES = 64 * 1024;

export class GrowingFile {
  readonly path: string;
  #file: Deno.FsFile | null = null;
  #decoder = new TextDecoder();
  /** The beginning of a line whose end was not written yet. */
  #partial = "";
  /** Whether what lies in the file now has been passed over. */
  #isAtStart: boolean;

  /** With `fromEnd`, what the file holds at the first read is passed over. */
  constructor(path: string, options: { readonly fromEnd: boolean }) {
    this.path = path;
    this.#isAtStart = !options.fromEnd;
  }

  /** The whole lines since the last call; none while there is no file. */
  async readLines(): Promise<string[]> {
    this.#file ??= await openIfThere(this.path);
    if (this.#file === null) return [];
    if (!this.#isAtStart) {
      await this.#file.seek(0, Deno.SeekMode.End);
      this.#isAtStart = true;
    }
    const lines = await this.#readRest(this.#file);
    if (!await isReplaced(this.#file, this.path)) return lines;
    this.close();
    return [...lines, ...await this.readLines()];
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
    this.#decoder = new TextDecoder();
    this.#partial = "";
  }

  async #readRest(file: Deno.FsFile): Promise<string[]> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    const lines: string[] = [];
    for (;;) {
      const count = await file.read(buffer);
      if (count === null) return lines;
      const pieces = (this.#partial + this.#decoder.decode(buffer.subarray(0, count), {
        stream: true,
      })).split("\n");
      this.#partial = pieces.pop() ?? "";
      lines.push(...pieces);
    }
  }
}

async function openIfThere(path: string): Promise<Deno.FsFile | null> {
  try {
    return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Whether another file has the name now, or this one was emptied. */
async function isReplaced(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    const [own, named] = await Promise.all([file.stat(), Deno.stat(path)]);
    if (own.ino !== named.ino) return true;
    return own.size < await file.seek(0, Deno.SeekMode.Current);
  } catch (error) {
    // Moved away, and nothing there yet: the next read looks again.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
