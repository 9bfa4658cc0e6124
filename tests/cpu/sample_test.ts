import { assert, assertEquals } from "@std/assert/mod.js";
import type { SampleParameters } from "../../shared/engine/backend.ts";
import { MemoryPlan } from "../../shared/engine/cpu/memory_plan.ts";
import { SAMPLE_RECORD_BYTES, writeSampleRecords } from "../../shared/engine/cpu/sample_records.ts";
import { argmax, sampleReference } from "../../shared/engine/sampling/sample_reference.ts";
import { admissibleTokens } from "../gpu/admissible_tokens.ts";
import { normalRow, peaks, SETTINGS, VOCABULARIES } from "../gpu/sample_rows.ts";
import { KernelRun } from "./kernel_run.ts";

const GREEDY: SampleParameters = { temperature: 0, topK: 0, topP: 1, seed: 0 };
const PLAIN: SampleParameters = { temperature: 1, topK: 0, topP: 1, seed: 0 };

function choose(
  rows: readonly Float32Array[],
  parameters: readonly SampleParameters[],
  positions: readonly number[] = rows.map(() => 0),
): number[] {
  const vocab = rows[0].length;
  const plan = new MemoryPlan();
  const logits = plan.reserve("activations", rows.length * vocab * 4);
  const records = plan.reserve("activations", rows.length * SAMPLE_RECORD_BYTES);
  const tokens = plan.reserve("activations", rows.length * 4);
  const kernel = new KernelRun(plan, 2 * vocab * 4);
  for (const [i, row] of rows.entries()) kernel.floats(logits + i * vocab * 4, vocab).set(row);
  const sampled = parameters.map((each, i) => ({ parameters: each, position: positions[i] }));
  writeSampleRecords(kernel.memory, records, sampled);
  kernel.run(rows.length, { kind: "sample", parameters: [logits, vocab, records, tokens] });
  return [...kernel.words(tokens, rows.length)];
}

/** Every token equals the reference's, or is one that rounding may turn it into. */
function assertAdmissible(
  rows: readonly Float32Array[],
  parameters: readonly SampleParameters[],
  firstPosition = 10,
): number[] {
  const positions = rows.map((_, i) => firstPosition + i);
  const tokens = choose(rows, parameters, positions);
  for (const [i, row] of rows.entries()) {
    const choice = { parameters: parameters[i], position: positions[i], logitTolerance: 0 };
    const expected = sampleReference(row, parameters[i], positions[i]);
    if (tokens[i] === expected) continue;
    assert(
      admissibleTokens(row, choice).includes(tokens[i]),
      `vocabulary ${row.length}, ${JSON.stringify(parameters[i])}, position ${positions[i]}: ` +
        `token ${tokens[i]}, the reference has ${expected}`,
    );
  }
  return tokens;
}

Deno.test("sample kernel at temperature 0 takes the largest logit, the lowest id of equal ones", () => {
  for (const vocab of VOCABULARIES) {
    const rows = [1, 2, 3].map((salt) => normalRow(vocab, { salt, deviation: 3 }));
    assertEquals(choose(rows, rows.map(() => GREEDY)), rows.map(argmax));
  }
  const vocab = 49_152;
  const rows = [
    new Float32Array(vocab).fill(2),
    peaks(vocab, [30_000, 1025, 1024 + 1025]),
    peaks(vocab, [vocab - 1]),
    peaks(vocab, [0, vocab - 1]),
  ];
  assertEquals(choose(rows, rows.map(() => GREEDY)), [0, 1025, vocab - 1, 0]);
});

Deno.test("sample kernel equals the reference on NaN and infinite logits", () => {
  const vocab = 1009;
  const rows = [
    new Float32Array(vocab).fill(NaN),
    new Float32Array(vocab).fill(-Infinity),
    new Float32Array(vocab).fill(Infinity),
    normalRow(vocab, { salt: 1, deviation: 1 }).map((logit, id) => id % 3 === 0 ? NaN : logit),
    normalRow(vocab, { salt: 2, deviation: 1 }).map((logit, id) => id === 700 ? logit : -Infinity),
    normalRow(vocab, { salt: 3, deviation: 1 }).map((logit, id) => id === 11 ? Infinity : logit),
    peaks(vocab, [4]).map((logit) => logit * 3e38),
  ];
  for (const parameters of [GREEDY, PLAIN, { ...PLAIN, topK: 3 }, { ...PLAIN, topP: 0.3 }]) {
    assertAdmissible(rows, rows.map(() => parameters));
  }
});

Deno.test("sample kernel chooses the reference's token for every kind of parameters", () => {
  for (const vocab of VOCABULARIES) {
    const rows = SETTINGS.map((_, salt) => normalRow(vocab, { salt, deviation: 2 + salt % 5 }));
    assertAdmissible(rows, SETTINGS.map((setting, i) => ({ ...setting, seed: 31 * i })));
  }
});

Deno.test("sample kernel chooses the reference's token for many seeds and positions", () => {
  const row = normalRow(32_000, { salt: 77, deviation: 2 });
  const seeds = [0, 1, -1, 2 ** 31, 2 ** 32, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER, 12_345];
  const chosen = new Set<number>();
  // The last is more than a record holds.
  for (const [topK, topP] of [[200, 0.95], [0, 1], [2 ** 32 + 1, 1]]) {
    const parameters = seeds.map((seed) => ({ temperature: 1, topK, topP, seed }));
    for (const start of [0, 1, 4095, 131_071]) {
      for (const token of assertAdmissible(seeds.map(() => row), parameters, start)) {
        chosen.add(token);
      }
    }
  }
  assert(chosen.size > 10, `only ${chosen.size} different tokens`);
});

Deno.test("sample kernel cuts top-k and top-p at the very token that the definition says", () => {
  // All tokens are about equally likely, so a token's rank, its id, says which k and p keep it.
  const vocab = 8192;
  const row = Float32Array.from({ length: vocab }, (_, id) => -id / 1024);
  const even = { temperature: 1e7, topK: 0, topP: 1, seed: 8 };
  const positions = Array.from({ length: 12 }, (_, position) => position);
  const winners = positions.map((position) => sampleReference(row, even, position));
  const rows = positions.map(() => row);
  const run = (filter: (winner: number) => Partial<SampleParameters>) =>
    choose(rows, winners.map((id) => ({ ...even, ...filter(id) })), positions);
  assertEquals(run((winner) => ({ topK: winner + 1 })), winners);
  assertEquals(run((winner) => ({ topP: (winner + 0.75) / vocab })), winners);
  const withoutByK = run((winner) => ({ topK: winner }));
  const withoutByP = run((winner) => ({ topP: (winner - 0.25) / vocab }));
  assert(winners.every((winner, i) => withoutByK[i] < winner && withoutByP[i] < winner));
});

Deno.test("sample kernel keeps or drops equal logits together", () => {
  const vocab = 65_536;
  const equal = new Float32Array(vocab).fill(-3);
  const halves = equal.map((_, id) => id % 2 === 0 ? 1 : 0.999);
  const cases: [Float32Array, Omit<SampleParameters, "seed">][] = [
    [equal, { temperature: 1, topK: 5, topP: 1 }],
    [equal, { temperature: 1, topK: 0, topP: 0.01 }],
    [halves, { temperature: 1, topK: 0, topP: 0.4 }],
    [halves, { temperature: 1, topK: vocab / 2, topP: 1 }],
    [halves, { temperature: 1, topK: 0, topP: 0.6 }],
  ];
  for (const [row, setting] of cases) {
    const parameters = [1, 2, 3, 4].map((seed) => ({ ...setting, seed }));
    assertAdmissible(parameters.map(() => row), parameters);
  }
});
