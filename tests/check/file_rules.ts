/** Size, names and leftovers of single files. */

import { isTest, type SourceFile } from "./source_file.ts";

/** Above this a file is listed, so that growth is seen. */
export const LISTED_LINES = 300;
const MAX_LINES = 500;
const MAX_TEST_LINES = 800;
const VAGUE_NAMES = /^(utils?|helpers?|common|types?|misc|lib)(_test)?\.ts$/;
const LEFTOVERS = /\b(TODO|FIXME|XXX)\b/;

export function lineCount(file: SourceFile): number {
  return file.text.split("\n").length - (file.text.endsWith("\n") ? 1 : 0);
}

/** Files over the hard limit: 500 lines, 800 for tests. */
export function sizeViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const limit = isTest(file.path) ? MAX_TEST_LINES : MAX_LINES;
    const lines = lineCount(file);
    return lines > limit ? [`${file.path} has ${lines} lines, over the limit of ${limit}`] : [];
  });
}

/** Files worth splitting, longest first. */
export function longFiles(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => !isTest(file.path) && lineCount(file) > LISTED_LINES)
    .sort((a, b) => lineCount(b) - lineCount(a))
    .map((file) => `${file.path}: ${lineCount(file)} lines`);
}

/** Names that say nothing, or that are not snake_case (`x.wgsl.ts` holds the WGSL of `x`). */
export function nameViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path }) => {
    const name = path.split("/").at(-1) ?? "";
    if (VAGUE_NAMES.test(name)) return [`${path}: name the subject of the file`];
    return /^[a-z0-9_]+(\.wgsl)?\.ts$/.test(name) ? [] : [`${path}: file names are snake_case`];
  });
}

/** Marks of unfinished work. */
export function leftoverViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    file.text.split("\n").flatMap((line, index) => {
      const mark = LEFTOVERS.exec(line)?.[1];
      // The rule itself and its tests name the marks.
      if (mark === undefined || file.path.startsWith("tests/check/")) return [];
      return [`${file.path}:${index + 1} has a ${mark}`];
    })
  );
}
