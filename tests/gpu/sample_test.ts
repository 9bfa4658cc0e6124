import { assert, assertEquals, assertThrows } from "@std/assert/mod.js";
import type { SampleParameters } from "../../shared/engine/backend.ts";
import { argmax, sampleReference } from "../../shared/engine/sampling/sample_reference.ts";
import { SampleOp } from "../../shared/engine/webgpu/ops/sample/sample.ts";
import { admissibleTokens } from "./admissible_tokens.ts";
import { gpuTest } from "./gpu_tests.ts";

const GREEDY: SampleParameters = { temperature: 0, topK: 0, topP: 1, seed: 0 };
const PLAIN: SampleParameters = { temperature: 1, topK: 0, topP: 1, seed: 0 };

const VOCABULARIES = [1, 7, 255, 1009, 32_000, 49_152, 50_257, 262_144];

function deviceTest(name: string, body: (device: GPUDevice) => Promise<void> | void): void {
  gpuTest(name, () => withDevice(body));
}

deviceTest(
  "SampleOp at temperature 0 equals the reference's argmax for every vocabulary",
  async (device) => {
    for (const vocab of VOCABULARIES) {
      const rows = [1, 2, 3].map((salt) => normalRow(vocab, { salt, deviation: 3 }));
      assertEquals(await choose(device, rows, rows.map(() => GREEDY)), rows.map(argmax));
    }
  },
);

deviceTest(
  "SampleOp at temperature 0 takes the lowest id of equal logits, wherever they are",
  async (device) => {
    const vocab = 49_152;
    const rows = [
      new Float32Array(vocab).fill(2),
      peaks(vocab, [30_000, 1025, 1024 + 1025]),
      peaks(vocab, [vocab - 1]),
      peaks(vocab, [0, vocab - 1]),
      Float32Array.from({ length: vocab }, (_, id) => id < 5 ? -0 : id < 9 ? 0 : -1),
    ];
    assertEquals(await choose(device, rows, rows.map(() => GREEDY)), [0, 1025, vocab - 1, 0, 0]);
  },
);

deviceTest(
  "SampleOp equals the reference on NaN and infinite logits, greedy and sampled",
  async (device) => {
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
      await assertAdmissible(device, rows, rows.map(() => parameters));
    }
  },
);

const SETTINGS: readonly Omit<SampleParameters, "seed">[] = [
  { temperature: 1, topK: 0, topP: 1 },
  { temperature: 0.2, topK: 0, topP: 1 },
  { temperature: 2, topK: 0, topP: 1 },
  { temperature: 1, topK: 1, topP: 1 },
  { temperature: 0.7, topK: 40, topP: 1 },
  { temperature: 1, topK: 5000, topP: 1 },
  { temperature: 1, topK: 1e9, topP: 1 },
  { temperature: 1, topK: 0, topP: 0 },
  { temperature: 1, topK: 0, topP: 1e-6 },
  { temperature: 1, topK: 0, topP: 0.5 },
  { temperature: 0.8, topK: 0, topP: 0.95 },
  { temperature: 1.5, topK: 0, topP: 0.9999 },
  { temperature: 0.9, topK: 100, topP: 0.9 },
  { temperature: 1.2, topK: 2, topP: 0.6 },
  { temperature: 1e-6, topK: 0, topP: 0.9 },
  { temperature: 1e30, topK: 0, topP: 0.9 },
];

deviceTest(
  "SampleOp chooses the reference's token on random logits for every kind of parameters",
  async (device) => {
    for (const vocab of VOCABULARIES) {
      const rows = SETTINGS.map((_, salt) => normalRow(vocab, { salt, deviation: 2 + salt % 5 }));
      await assertAdmissible(
        device,
        rows,
        SETTINGS.map((setting, i) => ({ ...setting, seed: 31 * i })),
      );
    }
  },
);

deviceTest(
  "SampleOp chooses the reference's token for many seeds and positions",
  async (device) => {
    const row = normalRow(32_000, { salt: 77, deviation: 2 });
    const seeds = [0, 1, -1, 2 ** 31, 2 ** 32, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER, 12_345];
    const parameters = seeds.map((seed) => ({ temperature: 1, topK: 200, topP: 0.95, seed }));
    const chosen = new Set<number>();
    for (const start of [0, 1, 4095, 131_071]) {
      const tokens = await assertAdmissible(device, seeds.map(() => row), parameters, start);
      for (const token of tokens) chosen.add(token);
    }
    assert(chosen.size > 10, `only ${chosen.size} different tokens`);
  },
);

deviceTest(
  "SampleOp cuts top-k and top-p at the very token that the definition says",
  async (device) => {
    // The temperature makes all tokens about equally likely, so a token's rank, which is its id here,
    // says which k and which p keep it. Each position's winner is kept by one, dropped by the other.
    const vocab = 8192;
    const row = Float32Array.from({ length: vocab }, (_, id) => -id / 1024);
    const even = { temperature: 1e7, topK: 0, topP: 1, seed: 8 };
    const positions = Array.from({ length: 12 }, (_, position) => position);
    const winners = positions.map((position) => sampleReference(row, even, position));
    const rows = positions.map(() => row);
    const run = (filter: (winner: number) => Partial<SampleParameters>) =>
      choose(device, rows, winners.map((id) => ({ ...even, ...filter(id) })), positions);

    assertEquals(await run((winner) => ({ topK: winner + 1 })), winners);
    assertEquals(await run((winner) => ({ topP: (winner + 0.75) / vocab })), winners);
    const withoutByK = await run((winner) => ({ topK: winner }));
    const withoutByP = await run((winner) => ({ topP: (winner - 0.25) / vocab }));
    assert(winners.every((winner, i) => withoutByK[i] < winner && withoutByP[i] < winner));
  },
);

deviceTest("SampleOp keeps or drops equal logits together", async (device) => {
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
    await assertAdmissible(device, parameters.map(() => row), parameters);
  }
});

deviceTest(
  "SampleOp with one logit far above the others chooses it unless the temperature is high",
  async (device) => {
    const row = peaks(49_152, [31_000]).map((logit) => 80 * logit);
    const parameters = [0.7, 1, 2].map((temperature) => ({ ...PLAIN, temperature, topP: 0.9 }));
    const tokens = await choose(device, parameters.map(() => row), parameters);
    assertEquals(tokens, [31_000, 31_000, 31_000]);
    await assertAdmissible(device, [row, row], [{ ...PLAIN, temperature: 50 }, {
      ...PLAIN,
      temperature: 90,
    }]);
  },
);

deviceTest("SampleOp gives a row the same token alone and in any batch", async (device) => {
  const vocab = 32_000;
  const rows = SETTINGS.map((_, salt) => normalRow(vocab, { salt: 100 + salt, deviation: 3 }));
  const parameters = SETTINGS.map((setting, i) => i % 5 === 4 ? GREEDY : { ...setting, seed: i });
  const positions = rows.map((_, i) => 3 * i);
  const together = await choose(device, rows, parameters, positions);
  const reversed = await choose(
    device,
    rows.toReversed(),
    parameters.toReversed(),
    positions.toReversed(),
  );
  assertEquals(reversed.toReversed(), together);
  for (const [i, row] of rows.entries()) {
    assertEquals(await choose(device, [row], [parameters[i]], [positions[i]]), [together[i]]);
  }
});

deviceTest(
  "SampleOp takes new parameters at every step and leaves rows past the count alone",
  async (device) => {
    const vocab = 255;
    const rows = [1, 2].map((salt) => normalRow(vocab, { salt, deviation: 1 }));
    using bench = new Bench(device, { vocab, rows: 2 });
    bench.write(rows);
    const greedy = rows.map(argmax);
    assertEquals(await bench.run([GREEDY, GREEDY], [0, 0]), greedy);
    const warm = { ...PLAIN, temperature: 5, seed: 9 };
    assertEquals(await bench.run([warm], [6]), [sampleReference(rows[0], warm, 6)]);
    assertEquals((await bench.run([GREEDY, warm], [6, 7]))[1], sampleReference(rows[1], warm, 7));
    assertEquals(await bench.run([GREEDY, GREEDY], [6, 7]), greedy);
  },
);

deviceTest(
  "SampleOp refuses a vocabulary beyond its exact sums and parameters out of range",
  (device) => {
    const logits = device.createBuffer({ size: 64, usage: GPUBufferUsage.STORAGE });
    assertThrows(
      () => new SampleOp(device, { vocab: 262_145, maxSlices: 1, logits }),
      RangeError,
      "at most 262144",
    );
    using op = new SampleOp(device, { vocab: 8, maxSlices: 2, logits });
    assertThrows(() => op.setParameters([{ ...PLAIN, topP: 2 }], [0]), RangeError, "topP 2");
    assertThrows(() => op.setParameters([PLAIN], [0, 1]), RangeError, "one position for each row");
    assertThrows(
      () => op.setParameters([PLAIN, PLAIN, PLAIN], [0, 1, 2]),
      RangeError,
      "at most 2 rows",
    );
    logits.destroy();
  },
);

/** Every token equals the reference's, or is one that rounding may turn it into. Returns them. */
async function assertAdmissible(
  device: GPUDevice,
  rows: readonly Float32Array[],
  parameters: readonly SampleParameters[],
  firstPosition = 10,
): Promise<number[]> {
  const positions = rows.map((_, i) => firstPosition + i);
  const tokens = await choose(device, rows, parameters, positions);
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
  device: GPUDevice,
  rows: readonly Float32Array[],
  parameters: readonly SampleParameters[],
  positions: readonly number[] = rows.map(() => 0),
): Promise<number[]> {
  using bench = new Bench(device, { vocab: rows[0].length, rows: rows.length });
  bench.write(rows);
  return await bench.run(parameters, positions);
}

/** A logits buffer with an op on it. */
class Bench implements Disposable {
  readonly #device: GPUDevice;
  readonly #logits: GPUBuffer;
  readonly #staging: GPUBuffer;
  readonly #op: SampleOp;

  constructor(device: GPUDevice, { vocab, rows }: { vocab: number; rows: number }) {
    const { STORAGE, COPY_DST, MAP_READ } = GPUBufferUsage;
    this.#device = device;
    this.#logits = device.createBuffer({ size: 4 * rows * vocab, usage: STORAGE | COPY_DST });
    this.#staging = device.createBuffer({ size: 4 * rows, usage: MAP_READ | COPY_DST });
    this.#op = new SampleOp(device, { vocab, maxSlices: rows, logits: this.#logits });
  }

  write(rows: readonly Float32Array[]): void {
    for (const [i, row] of rows.entries()) {
      this.#device.queue.writeBuffer(this.#logits, i * row.byteLength, Float32Array.from(row));
    }
  }

  async run(
    parameters: readonly SampleParameters[],
    positions: readonly number[],
  ): Promise<number[]> {
    this.#op.setParameters(parameters, positions);
    const encoder = this.#device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    this.#op.encode(pass, parameters.length);
    pass.end();
    encoder.copyBufferToBuffer(this.#op.tokens, 0, this.#staging, 0, this.#staging.size);
    this.#device.queue.submit([encoder.finish()]);
    await this.#staging.mapAsync(GPUMapMode.READ);
    const tokens = [...new Uint32Array(this.#staging.getMappedRange())];
    this.#staging.unmap();
    return tokens.slice(0, parameters.length);
  }

  [Symbol.dispose](): void {
    this.#op.destroy();
    this.#logits.destroy();
    this.#staging.destroy();
  }
}

async function withDevice(body: (device: GPUDevice) => Promise<void> | void): Promise<void> {
  const device = await (await navigator.gpu.requestAdapter())!.requestDevice();
  device.pushErrorScope("validation");
  try {
    await body(device);
    assertEquals(await device.popErrorScope(), null);
  } finally {
    device.destroy();
  }
}

/** Normally distributed logits, fixed for a salt. */
function normalRow(
  vocab: number,
  { salt, deviation }: { salt: number; deviation: number },
): Float32Array {
  let state = salt * 7919 + 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: vocab }, () => {
    return deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  });
}

/** 1 at the given ids, 0 elsewhere. */
function peaks(vocab: number, ids: readonly number[]): Float32Array {
  const row = new Float32Array(vocab);
  for (const id of ids) row[id] = 1;
  return row;
}
