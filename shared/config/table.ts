/**
 * Prints `docs/configuration.md` from the variables, and the tables of some of them that stand in other
 * pages, so that no page can drift from the code. Such a table stands between these lines of its page:
 *
 * ```md
 * <!-- deno-fmt-ignore-start -->
 * <!-- variables: DYN_LOG* OTEL_SERVICE_NAME -->
 * <!-- deno-fmt-ignore-end -->
 * ```
 */

import { type VariableName, VARIABLES } from "./variables.ts";

const HEAD = `# Configuration

Every variable that Baton reads, printed from \`shared/config/variables.ts\`
(\`deno run -A shared/config/print_table.ts > docs/configuration.md\`). Values are read once, at
start; a wrong one stops the start with a sentence. Flags are \`1\`, \`true\`, \`on\`, \`yes\` or
\`0\`, \`false\`, \`off\`, \`no\`. \`deno task doctor --dump\` prints the values in effect.

`;
const TABLE_HEAD = `| variable | default | read by | meaning |
| --- | --- | --- | --- |
`;
const TABLE =
  /(<!-- deno-fmt-ignore-start -->\n<!-- variables: ([\w* ]+?) -->\n)[^]*?(<!-- deno-fmt-ignore-end -->)/g;

/** The page as Markdown. */
export function configurationPage(): string {
  return HEAD + table(() => true);
}

/** The page with its tables of variables printed anew. */
export function withVariableTables(page: string): string {
  return page.replace(
    TABLE,
    (_, start: string, patterns: string, end: string) =>
      `${start}\n${
        table((name) => patterns.split(" ").some((word) => isNamed(name, word)))
      }\n${end}`,
  );
}

/** A `*` at the end of the pattern stands for anything. */
function isNamed(name: string, pattern: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function table(isWanted: (name: string) => boolean): string {
  const rows = (Object.keys(VARIABLES) as VariableName[]).filter(isWanted).map((name) => {
    const { defaultText, services, meaning } = VARIABLES[name];
    return `| \`${name}\` | ${defaultText} | ${services.join(", ")} | ${meaning} |\n`;
  });
  return TABLE_HEAD + rows.join("");
}
