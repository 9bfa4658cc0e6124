/** Where log lines come from: files, folders of them, standard input. */

import { basename, join } from "@std/path/mod.js";
import { TextLineStream } from "@std/streams/mod.js";

/** Standard input among the names of files. */
export const STANDARD_INPUT = "-";

export interface LogSource {
  /** Names the service where the lines do not. */
  readonly name: string;
  /** The lines from the beginning; may be asked for again. */
  lines(): AsyncIterable<string>;
}

/** The sources that `names` mean. Throws an Error that says which cannot be read. */
export async function openLogSources(names: readonly string[]): Promise<LogSource[]> {
  const sources: LogSource[] = [];
  for (const name of names) {
    if (name === STANDARD_INPUT) {
      sources.push(await bufferedSource("standard input", Deno.stdin.readable));
    } else {
      for (const path of await logFiles(name)) sources.push(fileSource(path));
    }
  }
  return sources;
}

/** The file itself, or the JSONL files of a folder. Throws an Error when it cannot be read. */
export async function logFiles(path: string): Promise<string[]> {
  try {
    if (!(await Deno.stat(path)).isDirectory) return [path];
    const entries = await Array.fromAsync(Deno.readDir(path));
    return entries.filter(({ name, isDirectory }) => name.endsWith(".jsonl") && !isDirectory)
      .map(({ name }) => join(path, name)).sort();
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** The lines of a stream of bytes. */
export function linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  return stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}

function fileSource(path: string): LogSource {
  return {
    name: sourceName(path),
    async *lines() {
      let file: Deno.FsFile;
      try {
        file = await Deno.open(path);
      } catch (error) {
        throw unreadable(path, error);
      }
      // The stream closes the file.
      yield* linesOf(file.readable);
    },
  };
}

/** A stream can be read once only: what tells of spans is kept. */
async function bufferedSource(
  name: string,
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<LogSource> {
  const kept: string[] = [];
  for await (const line of linesOf(stream)) if (line.includes("SPAN_")) kept.push(line);
  return {
    name,
    async *lines() {
      yield* kept;
    },
  };
}

/** `prefill` for `logs/prefill.jsonl` and for `logs/prefill.1.jsonl`. */
export function sourceName(path: string): string {
  return basename(path).replace(/(\.\d+)?\.[^.]+$/, "");
}

function unreadable(path: string, error: unknown): Error {
  const reason = error instanceof Deno.errors.NotFound
    ? 'there is no such file or folder; "deno task start" keeps logs, --logs names others'
    : error instanceof Error
    ? error.message
    : String(error);
  return new Error(`Cannot read logs ${path}: ${reason}`);
}
