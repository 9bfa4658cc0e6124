import { assertEquals } from "@std/assert/mod.js";
import {
  chatRequestSchema,
  completionRequestSchema,
  ERROR_KINDS,
} from "../../shared/openai/mod.ts";
import { VARIABLES } from "../../shared/config/mod.ts";

const page = await Deno.readTextFile(new URL("../../docs/api.md", import.meta.url));

/** Words in backticks of the lines that match. */
function namesInRows(pattern: RegExp): string[] {
  const rows = page.split("\n").filter((line) => pattern.test(line));
  return rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name));
}

Deno.test("docs/api.md names every parameter that is read, and no other", () => {
  const section = page.slice(page.indexOf("## Parameters"), page.indexOf("## Headers"));
  const cells = [...section.matchAll(/^\| (`[^|]*`) +\|/gm)].map(([, cell = ""]) => cell);
  const named = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  const schemas = [chatRequestSchema, completionRequestSchema];
  const read = new Set(schemas.flatMap(({ shape }) => Object.keys(shape)));
  assertEquals(new Set(named), read);
});

Deno.test("docs/api.md has every error code at its status", () => {
  const { client_closed_request: _nobodyReadsIt, ...kinds } = ERROR_KINDS;
  for (const status of new Set(Object.values(kinds).map((kind) => kind.status))) {
    const codes = Object.entries(kinds).filter(([, kind]) => kind.status === status);
    const named = namesInRows(new RegExp(`^\\| ${status} `)).filter((name) => !/[A-Z]/.test(name));
    assertEquals(named.toSorted(), codes.map(([code]) => code).toSorted(), `status ${status}`);
  }
});

Deno.test("docs/api.md names only variables that exist", () => {
  const named = [...page.matchAll(/`((?:DYN|OTEL)_\w+)`/g)].map(([, name = ""]) => name);
  assertEquals(named.filter((name) => !Object.hasOwn(VARIABLES, name)), []);
});
