/** Prints `docs/observability/troubleshooting.md`, so that the page and the doctor say the same. */

import { SYMPTOMS, type SymptomText } from "./symptoms.ts";

const HEAD = `# Troubleshooting

\`deno task doctor\` looks for everything on this page and says in plain words what it found and what to
do. Before the first start it looks at this machine; while Baton runs, also at the frontend, the bus,
the collector and the store of the traces.

\`\`\`sh
deno task doctor                                  # this machine, and what task start runs here
deno task doctor --frontend http://gateway:8000 --tempo http://tempo:3200
deno task doctor --dump                           # every setting, and where it comes from
\`\`\`

It reads the variables that the services read (\`NATS_URL\`, \`OTEL_*\`, \`DYN_*\`): run it with the
environment of the service that you ask about. \`--json\` writes the findings for programs, each with
its code below. It exits with 0 when nothing is wrong, and with 1 when something would stop Baton or
its traces. Nothing secret is in what it writes.

How clocks are compared: each worker's heartbeat carries the time at which it was sent, and the doctor
takes the least difference to its own clock over two seconds of heartbeats, from 250 ms on (a message
takes a few). The frontend's clock is read from the \`Date\` of its answer, which counts whole seconds:
what is less than two cannot be told. Workers on the doctor's own machine are not compared.

This page is printed from \`services/start/doctor/symptoms.ts\`
(\`deno run -A services/start/doctor/print_page.ts > docs/observability/troubleshooting.md\`).

| code | how it shows | what to do |
| --- | --- | --- |
`;

/** The page as Markdown. */
export function troubleshootingPage(): string {
  const rows = Object.entries<SymptomText>(SYMPTOMS).map(([code, { sign, remedy }]) =>
    `| \`${code}\` | ${sign} | ${remedy} |`
  );
  return HEAD + rows.join("\n") + "\n";
}
