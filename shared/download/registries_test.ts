import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { PUBLIC_REGISTRIES, registriesOf } from "./registries.ts";

Deno.test("registriesOf without settings are the public ones", () => {
  const { npm, pypi, hub } = registriesOf({ env: {} });
  assertEquals({ npm, pypi, hub }, {
    npm: PUBLIC_REGISTRIES.npm,
    pypi: PUBLIC_REGISTRIES.pypi,
    hub: PUBLIC_REGISTRIES.hub,
  });
});

Deno.test("registriesOf takes mirrors from the environment, without their last slash", () => {
  const registries = registriesOf({
    env: {
      npm_config_registry: "https://npm.example/mirror/",
      PIP_INDEX_URL: "https://user:pw@pypi.example/simple/",
      HF_ENDPOINT: "https://hub.example",
      HF_TOKEN: "token",
    },
    npmrc: ["registry=https://weaker.example/"],
  });
  assertEquals(registries, {
    npm: "https://npm.example/mirror",
    npmScopes: {},
    pypi: "https://user:pw@pypi.example/simple",
    hub: "https://hub.example",
    hubToken: "token",
  });
});

Deno.test("registriesOf reads .npmrc: comments, quotes, variables, scopes, the strongest first", () => {
  const registries = registriesOf({
    env: { MIRROR: "npm.example" },
    npmrc: [
      '; a comment\nregistry = "https://${MIRROR}/"\n# another=x\n@acme:registry=https://acme.example',
      "registry=https://weaker.example/\n@other:registry=https://other.example/npm/",
    ],
  });
  assertEquals(registries.npm, "https://npm.example");
  assertEquals(registries.npmScopes, {
    "@acme": "https://acme.example",
    "@other": "https://other.example/npm",
  });
});

Deno.test("registriesOf names the setting that is no URL", () => {
  assertThrows(
    () => registriesOf({ env: { PIP_INDEX_URL: "ftp://x" } }),
    Error,
    "Cannot use PIP_INDEX_URL",
  );
  assertThrows(
    () => registriesOf({ env: {}, npmrc: ["@a:registry=nonsense"] }),
    Error,
    "@a:registry of .npmrc",
  );
});
