import { assert, assertEquals } from "@std/assert/mod.js";
import { sampleReference } from "../../shared/engine/sampling/sample_reference.ts";
import { admissibleTokens } from "./admissible_tokens.ts";

const GREEDY = { temperature: 0, topK: 0, topP: 1, seed: 0 };

Deno.test("admissibleTokens() is the argmax alone where the gap exceeds twice the tolerance", () => {
  const logits = Float32Array.of(1, 2, 1.9);
  const at = (logitTolerance: number) =>
    admissibleTokens(logits, { parameters: GREEDY, position: 0, logitTolerance });
  assertEquals(at(0.04), [1]);
  assertEquals(at(0.06), [1, 2]);
});

Deno.test("admissibleTokens() without tolerance is almost always the reference's choice alone", () => {
  const logits = Float32Array.from({ length: 300 }, (_, i) => 3 * Math.sin(i * i));
  let single = 0;
  for (let position = 0; position < 200; position++) {
    const parameters = { temperature: 0.8, topK: 50, topP: 0.9, seed: 5 };
    const tokens = admissibleTokens(logits, { parameters, position, logitTolerance: 0 });
    assert(tokens.includes(sampleReference(logits, parameters, position)));
    if (tokens.length === 1) single++;
  }
  assert(single >= 195, `${single} of 200 choices were certain`);
});

Deno.test("admissibleTokens() admits tokens on both sides of a top-k and of a top-p edge", () => {
  const logits = Float32Array.of(0, 0.0005, -20);
  for (const filter of [{ topK: 1, topP: 1 }, { topK: 0, topP: 0.5 }]) {
    const seen = new Set<number>();
    for (let position = 0; position < 50; position++) {
      const parameters = { temperature: 1, seed: 3, ...filter };
      const tokens = admissibleTokens(logits, { parameters, position, logitTolerance: 0.001 });
      for (const token of tokens) seen.add(token);
    }
    assertEquals([...seen].sort(), [0, 1]);
  }
});
