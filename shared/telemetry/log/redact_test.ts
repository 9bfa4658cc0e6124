import process from "node:process";
import { assert, assertEquals } from "@std/assert/mod.js";
import { SPANS } from "../registry/mod.ts";
import type { SpanSpec } from "../registry/spec.ts";
import {
  hideEverySecret,
  isSecretName,
  redactArguments,
  REDACTED,
  redactFields,
  redactText,
  redactValue,
} from "./redact.ts";
import { mayHoldSecret } from "./redact_scan.ts";
import { makeSecret, randomSource, readCorpus } from "./testing/redact_corpus.ts";

const SECRETS = readCorpus("secrets.txt");
const LOOK_ALIKES = readCorpus("look_alikes.txt");
/** A piece this long of a secret is enough to recognise it. */
const PIECE = 8;
const SEEDS = [1, 2, 3, 4, 5];

type Wrapper = (text: string) => string;

const PLACES: Readonly<Record<string, Wrapper>> = {
  alone: (text) => text,
  "in a sentence": (text) => `Cannot go on with ${text} here, giving up`,
  "in JSON": (text) => JSON.stringify({ message: text, status: 401 }),
  "on a line of JSON": (text) => JSON.stringify({ message: `Cannot go on:\n${text}\tgiving up` }),
  "in JSON in JSON": (text) => JSON.stringify({ body: JSON.stringify({ message: text }) }),
};
const IN_A_QUERY: Wrapper = (text) => `https://example.org/v1?next=${text}&limit=3`;

/** The pieces of the secret that are still in the text. */
function survivors(text: string, part: string): string[] {
  const inner = JSON.stringify(part).slice(1, -1);
  return [part, inner].flatMap((secret) => {
    const starts = Array.from({ length: Math.max(1, secret.length - PIECE + 1) }, (_, at) => at);
    return starts.map((at) => secret.slice(at, at + PIECE)).filter((piece) => text.includes(piece));
  });
}

function assertHidden(template: string, wrap: Wrapper): void {
  for (const seed of SEEDS) {
    const { text, parts } = makeSecret(template, seed);
    const whole = wrap(text);
    const shown = redactText(whole);
    assert(shown.includes(REDACTED), `${whole} became ${shown}`);
    for (const part of parts) assertEquals(survivors(shown, part), [], `${whole} became ${shown}`);
    assertEquals(redactText(shown), shown);
  }
}

for (const [place, wrap] of Object.entries(PLACES)) {
  Deno.test(`redactText hides every secret of the corpus ${place}`, () => {
    for (const section of ["tokens", "text"]) {
      for (const template of SECRETS.get(section) ?? []) assertHidden(template, wrap);
    }
  });

  Deno.test(`redactText leaves every look-alike of the corpus ${place}`, () => {
    for (const text of LOOK_ALIKES.get("text") ?? []) {
      assertEquals(redactText(wrap(text)), wrap(text));
    }
  });
}

const IN_ANOTHER_ADDRESS: Wrapper = (text) =>
  `https://example.org/login?next=%2Fv1%3Fafter%3D${text}%26limit%3D3`;

Deno.test("redactText hides every token of the corpus in a query, also in one inside of another", () => {
  for (const template of SECRETS.get("tokens") ?? []) {
    assertHidden(template, IN_A_QUERY);
    assertHidden(template, IN_ANOTHER_ADDRESS);
  }
});

Deno.test("redactText keeps JSON valid around what it hides", () => {
  for (const template of [...SECRETS.get("tokens") ?? [], ...SECRETS.get("text") ?? []]) {
    const shown = redactText(
      JSON.stringify({ message: makeSecret(template, 1).text, status: 401 }),
    );
    assertEquals(JSON.parse(shown).status, 401, shown);
  }
});

Deno.test("redactValue hides what a name of the corpus calls a secret, and assigned in a text", () => {
  for (const name of SECRETS.get("names") ?? []) {
    assertEquals(redactValue(name, "swordfish"), REDACTED, name);
    if (!/^[\w.-]+$/.test(name)) continue;
    assertEquals(redactText(`${name}=Zq17swordfish`), `${name}=${REDACTED}`);
    assertEquals(
      redactText(JSON.stringify({ [name]: "Zq17swordfish" })),
      JSON.stringify({ [name]: REDACTED }),
    );
  }
});

Deno.test("redactValue shows what a look-alike of a secret's name names", () => {
  for (const name of LOOK_ALIKES.get("names") ?? []) {
    assertEquals(isSecretName(name), false, name);
    assertEquals(redactValue(name, "value1"), "value1");
    assertEquals(redactText(`${name}=value1, more`), `${name}=value1, more`);
  }
});

Deno.test("isSecretName takes no attribute of the registry for a secret", () => {
  for (const { attributes, events } of Object.values<SpanSpec>(SPANS)) {
    const ofEvents = Object.values(events ?? {}).map((event) => event.attributes ?? {});
    for (const name of [attributes, ...ofEvents].flatMap((specs) => Object.keys(specs))) {
      assertEquals(isSecretName(name), false, name);
    }
  }
});

Deno.test("mayHoldSecret overlooks nothing that a rule would hide", () => {
  const places = [...Object.values(PLACES), IN_A_QUERY];
  for (const template of [...SECRETS.get("tokens") ?? [], ...SECRETS.get("text") ?? []]) {
    for (const seed of SEEDS) {
      const { text } = makeSecret(template, seed);
      for (const wrap of places) assert(mayHoldSecret(wrap(text)), wrap(text));
    }
  }
});

Deno.test("mayHoldSecret overlooks nothing in mixtures of secrets and look-alikes", () => {
  const next = randomSource(1);
  const templates = [...SECRETS.get("tokens") ?? [], ...SECRETS.get("text") ?? []];
  const pieces = [
    ...templates.map((template) => makeSecret(template, 1).text),
    ...LOOK_ALIKES.get("text") ?? [],
    ...SECRETS.get("names") ?? [],
  ];
  const pick = () => pieces[next() % pieces.length] ?? "";
  for (let round = 0; round < 5_000; round++) {
    const glue = [" ", "", ", ", "=", ": ", ":", "/", "\n", '"'][next() % 9];
    const text = Array.from({ length: 1 + next() % 3 }, pick).join(glue);
    if (!mayHoldSecret(text)) assertEquals(hideEverySecret(text), text);
  }
});

Deno.test("redactText does without the closer look for ordinary values of a line", () => {
  const ordinary = ["request completed", "chat_completions", "/v1/chat/completions", "POST"];
  const ids = ["7f63ab41f2447252d354f79197ee454f", "d70dae74-0000-4000-8000-000000000000"];
  const others = ["http://127.0.0.1:8000/v1/chat/completions", "127.0.0.1"];
  for (const text of [...ordinary, ...ids, ...others]) {
    assertEquals(mayHoldSecret(text), false, text);
  }
});

Deno.test("redactValue goes into lists and objects, and leaves other types", () => {
  const { text } = makeSecret("ghp_{an:36}", 1);
  assertEquals(redactValue("error", [text, "plain"]), [REDACTED, "plain"]);
  assertEquals(redactValue("otel.events", [{ name: "e", attributes: { cause: text, at: 3 } }]), [
    { name: "e", attributes: { cause: REDACTED, at: 3 } },
  ]);
  assertEquals(redactFields({ api_key: "x", tokens: 3, absent: undefined, nothing: null }), {
    api_key: REDACTED,
    tokens: 3,
    absent: undefined,
    nothing: null,
  });
  assertEquals(
    redactValue("headers", ["x-api-key", "abc123", "accept", "text/html", "token", "id"]),
    ["x-api-key", REDACTED, "accept", "text/html", "token", "id"],
  );
  assertEquals(
    redactValue("env", [{ name: "DB_PASSWORD", value: "abc" }, { name: "a", value: 1 }]),
    [
      { name: "DB_PASSWORD", value: REDACTED },
      { name: "a", value: 1 },
    ],
  );
  assertEquals(redactValue("cookies", { sid: "abc", n: 1 }), { sid: REDACTED, n: 1 });
  assertEquals(redactValue("attributes", [{ key: "password", value: { stringValue: "abc" } }]), [
    { key: "password", value: REDACTED },
  ]);
  assertEquals(redactValue("token", 17), 17);
  assertEquals(redactValue("has_password", true), true);
  assertEquals(redactValue("password", ""), "");
});

Deno.test("redactArguments hides the word after a flag that names a secret", () => {
  assertEquals(
    redactArguments([
      ...["run", "--api-key", "abc", "--max-tokens", "64", "--token=abc", "--password"],
      ...["--port", "8000", "nats://u:p@h:4222", "--user", "bob:abc", "-u", "https://h"],
    ]),
    [
      ...["run", "--api-key", REDACTED, "--max-tokens", "64", `--token=${REDACTED}`, "--password"],
      ...["--port", "8000", `nats://u:${REDACTED}@h:4222`, "--user", `bob:${REDACTED}`],
      ...["-u", "https://h"],
    ],
  );
});

/**
 * Whether it takes less than two seconds, by the clock or by the CPU time of this process: other
 * programs add to the one, other threads to the other.
 */
function isQuick(text: string): boolean {
  const startedAtMs = performance.now();
  const before = process.cpuUsage();
  redactText(text);
  const { user, system } = process.cpuUsage(before);
  return Math.min(performance.now() - startedAtMs, (user + system) / 1000) < 2_000;
}

Deno.test("redactText ends soon on hostile text", () => {
  const pieces = [
    "a://b:",
    "x:",
    'password="',
    "eyJaaaaaa.",
    "-----BEGIN PRIVATE KEY-----",
    "--a ",
  ];
  const commands = ["mysql ", "docker login ", "redis-cli a "];
  const lists = [
    '"token","',
    "name: token value: ",
    "<token>",
    "Authorization: a=b,",
    "%3Ftoken%3D",
  ];
  const keys = ["eyJaaaaaaaaaaaaa-", "Private-Lines: 1 ", "token={$("];
  const repeated = [...pieces, ...commands, ...lists, ...keys, 'token=\\"', "login a password "];
  const texts = [
    ...repeated.map((piece) => piece.repeat(8_000)),
    `-----BEGIN PRIVATE KEY-----${"\\".repeat(200_000)}x`,
    `with ${"-a".repeat(100_000)}!`,
  ];
  for (const text of texts) assert(isQuick(text), text.slice(0, 40));
});

Deno.test("hideEverySecret leaves ordinary text as it is", () => {
  for (const text of LOOK_ALIKES.get("text") ?? []) {
    assertEquals(hideEverySecret(text), text);
  }
});
