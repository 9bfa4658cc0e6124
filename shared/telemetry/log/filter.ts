/**
 * The grammar of `DYN_LOG`: comma-separated directives, `level` or `target=level`.
 *
 * Levels: off, error, warn, info, debug, trace, in any case. A directive holds for its target and what
 * lies below it (`bus` for `bus.transfer` and `bus::transfer`); the longest match wins, and for the
 * same target the last. Without a bare level the default stays `info`. What does not parse is an error
 * at start and never a silent default; so is a target alone, which would hide a misspelt level.
 */

export type LogLevel = "error" | "warn" | "info" | "debug" | "trace";

/** Ranks: a line is written when its level's rank is at most the target's. 0 is `off`. */
export const LEVEL_RANK: Readonly<Record<LogLevel, number>> = {
  error: 1,
  warn: 2,
  info: 3,
  debug: 4,
  trace: 5,
};

export interface LogFilter {
  /** The highest rank that is written for a target. */
  rank(target: string): number;
}

const DIRECTIVE = /^(?:(?<target>[A-Za-z0-9_.:\-/]+)=)?(?<level>[A-Za-z]+)$/;

/** Parses a filter; throws a SyntaxError that quotes the directive which is wrong. */
export function parseLogFilter(text: string): LogFilter {
  let defaultRank = LEVEL_RANK.info;
  const ranks = new Map<string, number>();
  for (const part of text.split(",")) {
    const directive = part.trim();
    if (directive === "") continue;
    const { target, rank } = parseDirective(directive);
    if (target === null) defaultRank = rank;
    else ranks.set(target, rank);
  }
  const targets = [...ranks].sort(([a], [b]) => b.length - a.length);
  return {
    rank(target) {
      const match = targets.find(([prefix]) => isBelow(target, prefix));
      return match === undefined ? defaultRank : match[1];
    },
  };
}

function parseDirective(directive: string): { target: string | null; rank: number } {
  const { target, level } = DIRECTIVE.exec(directive)?.groups ?? {};
  const rank = level === undefined ? undefined : rankOf(level);
  if (rank !== undefined) return { target: target ?? null, rank };
  throw new SyntaxError(
    `Cannot read log filter directive "${directive}": write "level" or "target=level" with one of ` +
      "off, error, warn, info, debug, trace",
  );
}

function rankOf(level: string): number | undefined {
  const name = level.toLowerCase();
  if (name === "off") return 0;
  return Object.hasOwn(LEVEL_RANK, name) ? LEVEL_RANK[name as LogLevel] : undefined;
}

function isBelow(target: string, prefix: string): boolean {
  return target.startsWith(prefix) &&
    (target.length === prefix.length || /^(?:\.|::|\/)/.test(target.slice(prefix.length)));
}
