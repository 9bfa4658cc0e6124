import { assertEquals } from "@std/assert/mod.js";
import {
  chatRequestSchema,
  completionRequestSchema,
  ERROR_KINDS,
} from "../../shared/openai/mod.ts";
import { VARIABLES } from "../../shared/config/mod.ts";
import { runningRequestsSchema } from "../../services/frontend/api_document.ts";

const page = await Deno.readTextFile(new URL("../../docs/api.md", import.meta.url));

/** Words in backticks of the lines that match. */
function namesInRows(pattern: RegExp): string[] {
  const rows = page.split("\n").filter((line) => pattern.test(line));
  return rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name));
}

/** Words in backticks of the first column of a section's table. */
function namesInTable(section: string): Set<string | undefined> {
  const cells = [...section.matchAll(/^\| (`[^|]*`) +\|/gm)].map(([, cell = ""]) => cell);
  return new Set(
    cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name)),
  );
}

Deno.test("docs/api.md names every parameter that is read, and no other", () => {
  const named = namesInTable(page.slice(page.indexOf("## Parameters"), page.indexOf("## Headers")));
  const schemas = [chatRequestSchema, completionRequestSchema];
  const read = new Set(schemas.flatMap(({ shape }) => Object.keys(shape)));
  assertEquals(named, read);
});

Deno.test("docs/api.md has every error code at its status", () => {
  const { client_closed_request: _nobodyReadsIt, ...kinds } = ERROR_KINDS;
  for (const status of new Set(Object.values(kinds).map((kind) => kind.status))) {
    const codes = Object.entries(kinds).filter(([, kind]) => kind.status === status);
    const named = namesInRows(new RegExp(`^\\| ${status} `)).filter((name) => !/[A-Z]/.test(name));
    assertEquals(named.toSorted(), codes.map(([code]) => code).toSorted(), `status ${status}`);
  }
});

Deno.test("docs/api.md names every field of a request that runs, and no other", () => {
  const named = namesInTable(page.slice(page.indexOf("## Requests that run now")));
  const { requests } = runningRequestsSchema.shape;
  assertEquals(named, new Set(Object.keys(requests.element.shape)));
});

Deno.test("docs/api.md names only variables that exist", () => {
  const named = [...page.matchAll(/`((?:DYN|OTEL)_\w+)`/g)].map(([, name = ""]) => name);
  assertEquals(named.filter((name) => !Object.hasOwn(VARIABLES, name)), []);
});
