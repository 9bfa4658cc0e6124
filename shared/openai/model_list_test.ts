import { assertEquals } from "@std/assert/mod.js";
import { modelObject, modelSchema } from "./model_list.ts";

Deno.test("modelObject() is OpenAI's model object with the context length beside it", () => {
  const object = modelObject({
    name: "m",
    createdAtMs: 1_700_000_000_500,
    contextLength: 8192,
    parameterCount: 135,
    isSimulated: false,
  });
  assertEquals(modelSchema.parse(object), object);
  assertEquals([object.id, object.object, object.created], ["m", "model", 1_700_000_000]);
});

Deno.test("modelObject() says of a simulated model that it is one", () => {
  const facts = { name: "m", createdAtMs: 0, contextLength: 64, parameterCount: 0 };
  assertEquals(modelObject({ ...facts, isSimulated: true }).owned_by, "baton-simulated");
  assertEquals(modelObject({ ...facts, isSimulated: false }).owned_by, "baton");
});
