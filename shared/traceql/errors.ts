/** A query that does not parse, makes no sense, or asks for what is not supported. */
export class QueryError extends Error {
  override name = "QueryError";
}

/** A query is right, and asks for more work than is done for one. */
export class QueryLimitError extends Error {
  override name = "QueryLimitError";
}

/** The position of an offset, as editors count: from 1. */
export function lineAndColumn(source: string, offset: number): { line: number; column: number } {
  const before = source.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

/** Where the text cannot be read on, in Tempo's words. */
export function parseError(source: string, offset: number, what: string): QueryError {
  const { line, column } = lineAndColumn(source, offset);
  return new QueryError(`parse error at line ${line}, col ${column}: ${what}`);
}

/** What parses and still cannot be answered. */
export function meaningError(source: string, offset: number, what: string): QueryError {
  const { line, column } = lineAndColumn(source, offset);
  return new QueryError(`line ${line}, col ${column}: ${what}`);
}
