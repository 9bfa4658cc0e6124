/** Prints `docs/configuration.md` from the variables, so that the page cannot drift from the code. */

import { VARIABLES } from "./variables.ts";

const HEAD = `# Configuration

Every variable that Baton reads, printed from \`shared/config/variables.ts\`
(\`deno run -A shared/config/print_table.ts > docs/configuration.md\`). Values are read once, at
start; a wrong one stops the start with a sentence. Flags are \`1\`, \`true\`, \`on\`, \`yes\` or
\`0\`, \`false\`, \`off\`, \`no\`.

| variable | default | read by | meaning |
| --- | --- | --- | --- |
`;

/** The page as Markdown. */
export function configurationPage(): string {
  const rows = Object.entries(VARIABLES).map(([name, variable]) =>
    `| \`${name}\` | ${variable.defaultText} | ${
      variable.services.join(", ")
    } | ${variable.meaning} |`
  );
  return HEAD + rows.join("\n") + "\n";
}
