import { assert, assertEquals, assertThrows } from "@std/assert/mod.js";
import type { SampleParameters } from "../../shared/engine/backend.ts";
import { argmax, sampleReference } from "../../shared/engine/sampling/sample_reference.ts";
import { Gpu } from "../../shared/engine/webgpu/device.ts";
import { SampleOp } from "../../shared/engine/webgpu/ops/sample/sample.ts";
import { readBuffer } from "../../shared/engine/webgpu/readback.ts";
import { admissibleTokens } from "./admissible_tokens.ts";
import { gpuTest } from "./gpu_tests.ts";
import { normalRow, peaks, SETTINGS, VOCABULARIES } from "./sample_rows.ts";

const GREEDY: SampleParameters = { temperature: 0, topK: 0, topP: 1, seed: 0 };
const PLAIN: SampleParameters = { temperature: 1, topK: 0, topP: 1, seed: 0 };

function sampleTest(name: string, body: (gpu: Gpu) => Promise<void> | void): void {
  gpuTest(name, () => withGpu(body));
}

sampleTest(
  "SampleOp at temperature 0 equals the reference's argmax for every vocabulary",
  async (gpu) => {
    for (const vocab of VOCABULARIES) {
      const rows = [1, 2, 3].map((salt) => normalRow(vocab, { salt, deviation: 3 }));
      assertEquals(await choose(gpu, rows, rows.map(() => GREEDY)), rows.map(argmax));
    }
  },
);

sampleTest(
  "SampleOp at temperature 0 takes the lowest id of equal logits, wherever they are",
  async (gpu) => {
    const vocab = 49_152;
    const rows = [
      new Float32Array(vocab).fill(2),
      peaks(vocab, [30_000, 1025, 1024 + 1025]),
      peaks(vocab, [vocab - 1]),
      peaks(vocab, [0, vocab - 1]),
      Float32Array.from({ length: vocab }, (_, id) => id < 5 ? -0 : id < 9 ? 0 : -1),
    ];
    assertEquals(await choose(gpu, rows, rows.map(() => GREEDY)), [0, 1025, vocab - 1, 0, 0]);
  },
);

sampleTest(
  "SampleOp equals the reference on NaN and infinite logits, greedy and sampled",
  async (gpu) => {
    const vocab = 1009;
    const rows = [
      new Float32Array(vocab).fill(NaN),
      new Float32Array(vocab).fill(-Infinity),
      new Float32Array(vocab).fill(Infinity),
      normalRow(vocab, { salt: 1, deviation: 1 }).map((logit, id) => id % 3 === 0 ? NaN : logit),
      normalRow(vocab, { salt: 2, deviation: 1 }).map((logit, id) =>
        id === 700 ? logit : -Infinity
      ),
      normalRow(vocab, { salt: 3, deviation: 1 }).map((logit, id) => id === 11 ? Infinity : logit),
      peaks(vocab, [4]).map((logit) => logit * 3e38),
    ];
    for (const parameters of [GREEDY, PLAIN, { ...PLAIN, topK: 3 }, { ...PLAIN, topP: 0.3 }]) {
      await assertAdmissible(gpu, rows, rows.map(() => parameters));
    }
  },
);

sampleTest(
  "SampleOp chooses the reference's token on random logits for every kind of parameters",
  async (gpu) => {
    for (const vocab of VOCABULARIES) {
      const rows = SETTINGS.map((_, salt) => normalRow(vocab, { salt, deviation: 2 + salt % 5 }));
      await assertAdmissible(
        gpu,
        rows,
        SETTINGS.map((setting, i) => ({ ...setting, seed: 31 * i })),
      );
    }
  },
);

sampleTest(
  "SampleOp chooses the reference's token for many seeds and positions",
  async (gpu) => {
    const row = normalRow(32_000, { salt: 77, deviation: 2 });
    const seeds = [0, 1, -1, 2 ** 31, 2 ** 32, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER, 12_345];
    const parameters = seeds.map((seed) => ({ temperature: 1, topK: 200, topP: 0.95, seed }));
    const chosen = new Set<number>();
    for (const start of [0, 1, 4095, 131_071]) {
      const tokens = await assertAdmissible(gpu, seeds.map(() => row), parameters, start);
      for (const token of tokens) chosen.add(token);
    }
    assert(chosen.size > 10, `only ${chosen.size} different tokens`);
  },
);

sampleTest(
  "SampleOp cuts top-k and top-p at the very token that the definition says",
  async (gpu) => {
    // The temperature makes all tokens about equally likely, so a token's rank, which is its id here,
    // says which k and which p keep it. Each position's winner is kept by one, dropped by the other.
    const vocab = 8192;
    const row = Float32Array.from({ length: vocab }, (_, id) => -id / 1024);
    const even = { temperature: 1e7, topK: 0, topP: 1, seed: 8 };
    const positions = Array.from({ length: 12 }, (_, position) => position);
    const winners = positions.map((position) => sampleReference(row, even, position));
    const rows = positions.map(() => row);
    const run = (filter: (winner: number) => Partial<SampleParameters>) =>
      choose(gpu, rows, winners.map((id) => ({ ...even, ...filter(id) })), positions);

    assertEquals(await run((winner) => ({ topK: winner + 1 })), winners);
    assertEquals(await run((winner) => ({ topP: (winner + 0.75) / vocab })), winners);
    const withoutByK = await run((winner) => ({ topK: winner }));
    const withoutByP = await run((winner) => ({ topP: (winner - 0.25) / vocab }));
    assert(winners.every((winner, i) => withoutByK[i] < winner && withoutByP[i] < winner));
  },
);

sampleTest("SampleOp keeps or drops equal logits together", async (gpu) => {
  const vocab = 262_144;
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
    await assertAdmissible(gpu, parameters.map(() => row), parameters);
  }
});

sampleTest(
  "SampleOp with one logit far above the others chooses it unless the temperature is high",
  async (gpu) => {
    const row = peaks(49_152, [31_000]).map((logit) => 80 * logit);
    const parameters = [0.7, 1, 2].map((temperature) => ({ ...PLAIN, temperature, topP: 0.9 }));
    const tokens = await choose(gpu, parameters.map(() => row), parameters);
    assertEquals(tokens, [31_000, 31_000, 31_000]);
    await assertAdmissible(gpu, [row, row], [{ ...PLAIN, temperature: 50 }, {
      ...PLAIN,
      temperature: 90,
    }]);
  },
);

sampleTest("SampleOp gives a row the same token alone and in any batch", async (gpu) => {
  const vocab = 32_000;
  const rows = SETTINGS.map((_, salt) => normalRow(vocab, { salt: 100 + salt, deviation: 3 }));
  const parameters = SETTINGS.map((setting, i) => i % 5 === 4 ? GREEDY : { ...setting, seed: i });
  const positions = rows.map((_, i) => 3 * i);
  const together = await choose(gpu, rows, parameters, positions);
  const reversed = await choose(
    gpu,
    rows.toReversed(),
    parameters.toReversed(),
    positions.toReversed(),
  );
  assertEquals(reversed.toReversed(), together);
  for (const [i, row] of rows.entries()) {
    assertEquals(await choose(gpu, [row], [parameters[i]], [positions[i]]), [together[i]]);
  }
});

sampleTest(
  "SampleOp takes new parameters at every step and leaves rows past the count alone",
  async (gpu) => {
    const vocab = 255;
    const rows = [1, 2].map((salt) => normalRow(vocab, { salt, deviation: 1 }));
    using bench = new Bench(gpu, { vocab, rows: 2 });
    bench.write(rows);
    const greedy = rows.map(argmax);
    assertEquals(await bench.run([GREEDY, GREEDY], [0, 0]), greedy);
    const warm = { ...PLAIN, temperature: 5, seed: 9 };
    assertEquals(await bench.run([warm], [6]), [sampleReference(rows[0], warm, 6)]);
    assertEquals((await bench.run([GREEDY, warm], [6, 7]))[1], sampleReference(rows[1], warm, 7));
    assertEquals(await bench.run([GREEDY, GREEDY], [6, 7]), greedy);
  },
);

sampleTest(
  "SampleOp refuses a vocabulary beyond its exact sums and parameters out of range",
  (gpu) => {
    const logits = gpu.storage("logits", 64);
    assertThrows(
      () => new SampleOp(gpu, { vocab: 262_145, maxSlices: 1, logits }),
      RangeError,
      "at most 262144",
    );
    const op = new SampleOp(gpu, { vocab: 8, maxSlices: 2, logits });
    assertThrows(() => op.setParameters([{ ...PLAIN, topP: 2 }], [0]), RangeError, "topP 2");
    assertThrows(() => op.setParameters([PLAIN], [0, 1]), RangeError, "one position for each row");
    assertThrows(
      () => op.setParameters([PLAIN, PLAIN, PLAIN], [0, 1, 2]),
      RangeError,
      "at most 2 rows",
    );
  },
);

/** Every token equals the reference's, or is one that rounding may turn it into. Returns them. */
async function assertAdmissible(
  gpu: Gpu,
  rows: readonly Float32Array[],
  parameters: readonly SampleParameters[],
  firstPosition = 10,
): Promise<number[]> {
  const positions = rows.map((_, i) => firstPosition + i);
  const tokens = await choose(gpu, rows, parameters, positions);
  for (const [i, row] of rows.entries()) {
    const expected = sampleReference(row, parameters[i], positions[i]);
    if (tokens[i] === expected) continue;
    const choice = { parameters: parameters[i], position: positions[i], logitTolerance: 0 };
    const admissible = admissibleTokens(row, choice);
    assert(
      admissible.includes(tokens[i]),
      `vocabulary ${row.length}, ${JSON.stringify(parameters[i])}, position ${positions[i]}: ` +
        `token ${tokens[i]}, the reference has ${expected} and admits ${admissible}`,
    );
  }
  return tokens;
}

async function choose(
  gpu: Gpu,
  rows: readonly Float32Array[],
  parameters: readonly SampleParameters[],
  positions: readonly number[] = rows.map(() => 0),
): Promise<number[]> {
  using bench = new Bench(gpu, { vocab: rows[0].length, rows: rows.length });
  bench.write(rows);
  return await bench.run(parameters, positions);
}

/** A logits buffer with an op on it. */
class Bench implements Disposable {
  readonly #gpu: Gpu;
  readonly #logits: GPUBuffer;
  readonly #op: SampleOp;

  constructor(gpu: Gpu, { vocab, rows }: { vocab: number; rows: number }) {
    this.#gpu = gpu;
    this.#logits = gpu.storage("logits", 4 * rows * vocab);
    this.#op = new SampleOp(gpu, { vocab, maxSlices: rows, logits: this.#logits });
  }

  write(rows: readonly Float32Array[]): void {
    for (const [i, row] of rows.entries()) {
      this.#gpu.device.queue.writeBuffer(this.#logits, i * row.byteLength, Float32Array.from(row));
    }
  }

  async run(
    parameters: readonly SampleParameters[],
    positions: readonly number[],
  ): Promise<number[]> {
    this.#op.setParameters(parameters, positions);
    const encoder = this.#gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    this.#op.encode(pass, parameters.length);
    pass.end();
    this.#gpu.device.queue.submit([encoder.finish()]);
    const tokens = new Uint32Array((await readBuffer(this.#gpu, this.#op.tokens)).buffer);
    return [...tokens.slice(0, parameters.length)];
  }

  [Symbol.dispose](): void {
    this.#gpu.release(this.#logits);
  }
}

async function withGpu(body: (gpu: Gpu) => Promise<void> | void): Promise<void> {
  const gpu = await Gpu.open();
  try {
    await gpu.checked("test sampling", () => body(gpu));
    gpu.assertHealthy();
  } finally {
    gpu.close();
  }
}
