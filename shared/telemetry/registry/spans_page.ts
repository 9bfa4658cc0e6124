/** Prints `docs/observability/spans.md` from the registry, so that the page cannot drift from the code. */

import { type AttributeSpec, type EventSpec, SPANS, type SpanSpec } from "./mod.ts";
import { ANY_ROLE } from "./shared_attributes.ts";

const HEAD = `# Spans

Every span that Baton emits, printed from \`shared/telemetry/registry/\`
(\`deno run -A shared/telemetry/registry/print_spans.ts > docs/observability/spans.md\`). Levels: 1
stages, 2 sub-stages, 3 steps; \`DYN_TRACE_LEVEL\` sets what is recorded. An attribute marked *always* is
on every span of its kind that ends without an error.
`;

/** The page as Markdown. */
export function spansPage(): string {
  const sections = Object.values(SPANS).map(spanSection);
  const anyRole = `## On any span\n\n${attributeTable(ANY_ROLE)}`;
  return [HEAD, treeSection(), ...sections, anyRole].join("\n");
}

/** Every span below every parent that it may have. */
function treeSection(): string {
  const roles: Readonly<Record<string, SpanSpec>> = SPANS;
  const below = (isChild: (parent: string) => boolean, indent: string): string[] =>
    Object.entries(roles).filter(([, { parents }]) => parents.some(isChild)).flatMap(
      ([role, { name, level }]) => [
        `${indent}${name}${level === 1 ? "" : ` (${level})`}`,
        ...below((parent) => parent === role, `${indent}  `),
      ],
    );
  const lines = below((parent) => parent === "root" || parent === "remote", "");
  return `## Tree\n\nIn brackets the level, where it is not 1.\n\n\`\`\`text\n${
    lines.join("\n")
  }\n\`\`\`\n`;
}

function spanSection(span: SpanSpec): string {
  const parents = span.parents.map(parentText).join(", ");
  const events = Object.entries(span.events ?? {}).map(([name, event]) =>
    `- event \`${name}\`${eventAttributes(event)}: ${event.description}\n`
  );
  const feeds = span.histogram === undefined ? "" : ` Feeds \`${span.histogram}\`.`;
  return `## ${span.name}

${span.description}. ${span.kind}, level ${span.level}, below ${parents}.${feeds}

${attributeTable(span.attributes)}${events.length === 0 ? "" : `\n${events.join("")}`}`;
}

function eventAttributes(event: EventSpec): string {
  const names = Object.keys(event.attributes ?? {}).map((name) => `\`${name}\``);
  return names.length === 0 ? "" : ` (${names.join(", ")})`;
}

/** A parent is a role, or a word of its own for what is not in this registry. */
function parentText(parent: string): string {
  if (parent === "root") return "nothing (a root)";
  if (parent === "remote") return "the client's span";
  const roles: Readonly<Record<string, SpanSpec>> = SPANS;
  return `\`${roles[parent]?.name ?? parent}\``;
}

function attributeTable(attributes: Readonly<Record<string, AttributeSpec>>): string {
  if (Object.keys(attributes).length === 0) return "No attributes of its own.\n";
  const rows = Object.entries(attributes).map(([name, attribute]) => {
    const marks = [
      attribute.isRequired ? "always" : "",
      attribute.level === undefined ? "" : `level ${attribute.level}`,
    ].filter(Boolean).join(", ");
    const type = attribute.unit === undefined
      ? attribute.type
      : `${attribute.type}, ${attribute.unit}`;
    return `| \`${name}\` | ${type} | ${marks} | ${attribute.description} |\n`;
  });
  return `| attribute | type | | meaning |\n| --- | --- | --- | --- |\n${rows.join("")}`;
}
