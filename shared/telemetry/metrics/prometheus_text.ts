/**
 * OpenMetrics text to the classic Prometheus text format 0.0.4, for scrapers that do not accept the
 * former: counters are named with `_total` in HELP and TYPE too, exemplars and the end mark go.
 * (prom-client can switch formats itself, but renames its counters for good when it does.)
 */

const EXEMPLAR = / # \{[^{}]*\} \S+ \S+$/;

/** Converts one page. */
export function toPrometheusText(openMetrics: string): string {
  const lines = openMetrics.split("\n");
  const counters = new Set(
    lines.flatMap((line) => /^# TYPE (\S+) counter$/.exec(line)?.[1] ?? []),
  );
  return lines
    .filter((line) => line !== "# EOF")
    .map((line) => {
      const [, keyword, name = "", rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
      if (keyword === undefined) return line.replace(EXEMPLAR, "");
      return `# ${keyword} ${counters.has(name) ? `${name}_total` : name} ${rest}`;
    })
    .join("\n");
}
