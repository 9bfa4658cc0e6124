import { assertEquals } from "@std/assert/mod.js";
import { processFields, ProcessResource } from "./resource.ts";

const SERVICE = { serviceName: "baton-decode", serviceVersion: "1", serviceInstanceId: "i" };

Deno.test("ProcessResource tells the service, the process and the host", () => {
  const { attributes } = new ProcessResource({ ...SERVICE, resource: {} });
  assertEquals(attributes["service.name"], "baton-decode");
  assertEquals(attributes["service.version"], "1");
  assertEquals(attributes["service.instance.id"], "i");
  assertEquals(attributes["process.pid"], Deno.pid);
  assertEquals(attributes["process.runtime.name"], "deno");
  assertEquals(typeof attributes["host.name"], "string");
});

Deno.test("ProcessResource lets configured attributes win", () => {
  const resource = new ProcessResource({
    ...SERVICE,
    resource: { "host.name": "h", "service.version": "2", team: "a" },
  });
  const { attributes } = resource;
  assertEquals([attributes["host.name"], attributes["service.version"], attributes.team], [
    "h",
    "2",
    "a",
  ]);
  assertEquals(processFields(resource)["host.name"], "h");
});

Deno.test("ProcessResource takes what is known later, without what it had going away", () => {
  const resource = new ProcessResource({ ...SERVICE, resource: { team: "a" } });
  resource.add({ "model.name": "m", "model.digest": "d" });
  const { attributes } = resource;
  assertEquals([attributes.team, attributes["model.name"], attributes["model.digest"]], [
    "a",
    "m",
    "d",
  ]);
});
