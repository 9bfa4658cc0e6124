/**
 * Every attribute and event that the registry declares is set by some code: by a file that names both
 * the role and the attribute. Dead declarations would be rows in the docs that no trace ever fills.
 */

import { assertEquals } from "@std/assert/mod.js";
import { fromFileUrl } from "@std/path/mod.js";
import { type SpanRole, SPANS } from "../../shared/telemetry/registry/mod.ts";
import { isTest, readSourceFiles } from "./source_file.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** Telemetry sets these by itself on spans that are opened with the request's ids. */
const BY_TELEMETRY = new Set(["x_request_id", "request_id"]);

const files = (await readSourceFiles(ROOT)).filter(({ path }) =>
  /^(shared|services)\//.test(path) && !isTest(path) && !path.includes("/testing/") &&
  !path.startsWith("shared/telemetry/registry/") && !path.startsWith("shared/trace_view/")
);

/** Whether the code names the attribute or event as a key or a string. */
function names(text: string, name: string): boolean {
  return text.includes(`"${name}"`) ||
    new RegExp(`\\b${name}\\b:`).test(text) && !name.includes(".");
}

for (const role of Object.keys(SPANS) as SpanRole[]) {
  Deno.test(`all that the registry declares of ${role} is emitted`, () => {
    const texts = files
      .filter(({ text }) => text.includes(`"${role}"`))
      .map(({ text }) => text);
    const { attributes, events = {} } = SPANS[role];
    const declared = [...Object.keys(attributes), ...Object.keys(events)]
      .filter((name) => !BY_TELEMETRY.has(name));
    assertEquals(declared.filter((name) => !texts.some((text) => names(text, name))), []);
  });
}
