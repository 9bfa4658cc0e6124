/**
 * How weights lie in device memory, and the WGSL that reads them.
 *
 * Quants are `array<vec4u>` (F32: `array<vec4f>`); scales lie in a buffer of
 * their own, since GGUF's blocks of 18, 20 or 34 bytes cannot be loaded as words.
 *
 * | format     | from      | quants of a unit                         | scales           |
 * |------------|-----------|------------------------------------------|------------------|
 * | f32        | F32       | 8 weights in 2 vec4f (or 4 in 1)         | none             |
 * | f16, bf16  | F16, BF16 | 8 weights in 1 vec4u                     | none             |
 * | q8         | Q8_0      | 32 signed bytes in 2 vec4u               | f32              |
 * | q8_half    | Q6_K      | 16 signed bytes in 1 vec4u               | f32              |
 * | q4         | Q4_0      | 32 signed nibbles in 1 vec4u             | f32 (scale / 16) |
 * | q4_offset  | Q4_1      | 32 unsigned nibbles in 1 vec4u           | vec2f (d, m)     |
 *
 * The units of `rowsTogether` rows alternate: unit 0 of each row, then unit 1 of each, and scales
 * likewise; the last rows are padded. With 1, rows are contiguous.
 *
 * In nibble formats, low nibbles are weights 0 to 15 of the unit and high nibbles 16 to 31, as in
 * GGUF. Signed nibbles are two's complement: both halves unpack as 16 times their value without a
 * subtraction, and the stored scale is a sixteenth. All conversions are exact.
 */

import type { TensorType } from "../../weights/model_file.ts";
import { DeviceError } from "../backend.ts";

export type WeightFormat = "f32" | "f16" | "bf16" | "q8" | "q8_half" | "q4" | "q4_offset";

const FORMATS: Readonly<Record<TensorType, WeightFormat>> = {
  F32: "f32",
  F16: "f16",
  BF16: "bf16",
  Q8_0: "q8",
  Q6_K: "q8_half",
  Q4_0: "q4",
  Q4_1: "q4_offset",
};

/** What the weights of a format are stored as. */
export type WeightWidth = "nibbles" | "bytes" | "plain";

export function widthOf(format: WeightFormat): WeightWidth {
  if (SCALE_BYTES[format] === 0) return "plain";
  return WEIGHTS_PER_ELEMENT[format] === 32 ? "nibbles" : "bytes";
}

export function formatOf(type: TensorType): WeightFormat {
  return FORMATS[type];
}

/** The sizes of a matrix row in device memory, and of the unit that a kernel loads at once. */
export interface RowLayout {
  readonly format: WeightFormat;
  /** Weights of a row. */
  readonly columns: number;
  /** Rows whose units alternate in memory. */
  readonly rowsTogether: number;
  /** Weights of a unit, a multiple of 4. */
  readonly unitWeights: number;
  /** Units of a row. */
  readonly units: number;
  /** 16-byte elements of the quants of a unit. */
  readonly unitElements: number;
  readonly quantBytes: number;
  /** 0 where the format has no scales. */
  readonly scaleBytes: number;
}

/** Lays out a row of `columns` weights. Throws a DeviceError where the format cannot hold it. */
export function rowLayout(
  format: WeightFormat,
  columns: number,
  rowsTogether: number,
): RowLayout {
  const unitWeights = unitOf(format, columns);
  const weightsPerElement = WEIGHTS_PER_ELEMENT[format];
  const units = columns / unitWeights;
  return {
    format,
    columns,
    rowsTogether,
    unitWeights,
    units,
    unitElements: unitWeights / weightsPerElement,
    quantBytes: columns / weightsPerElement * 16,
    scaleBytes: units * SCALE_BYTES[format],
  };
}

/** Weights in one 16-byte element. */
const WEIGHTS_PER_ELEMENT: Readonly<Record<WeightFormat, number>> = {
  f32: 4,
  f16: 8,
  bf16: 8,
  q8: 16,
  q8_half: 16,
  q4: 32,
  q4_offset: 32,
};

const SCALE_BYTES: Readonly<Record<WeightFormat, number>> = {
  f32: 0,
  f16: 0,
  bf16: 0,
  q8: 4,
  q8_half: 4,
  q4: 4,
  q4_offset: 8,
};

function unitOf(format: WeightFormat, columns: number): number {
  const isPlain = SCALE_BYTES[format] === 0;
  const sizes = isPlain ? [8, 4] : format === "q8_half" ? [16] : [32];
  const smallest = WEIGHTS_PER_ELEMENT[format];
  const size = sizes.find((weights) => weights >= smallest && columns % weights === 0);
  if (size === undefined) {
    throw new DeviceError(
      `Cannot lay out a matrix of ${columns} columns in format ${format}: the columns must be a ` +
        `multiple of ${isPlain ? smallest : sizes[0]}`,
    );
  }
  return size;
}

/** Declarations of `quants` at binding 0 and, where the format has them, `scales` at binding 1. */
export function weightBindings(format: WeightFormat): string {
  const quants = format === "f32" ? "vec4f" : "vec4u";
  const scales = format === "q4_offset" ? "vec2f" : "f32";
  return `@group(0) @binding(0) var<storage, read> quants: array<${quants}>;
@group(0) @binding(1) var<storage, read> scales: array<${scales}>;`;
}

/** Statements that find row `row` of the matrix, for `loadUnit` under the same `name`. */
export function findRow(layout: RowLayout, name: string, row: string): string {
  const { units, unitElements, rowsTogether } = layout;
  const start = `(${name}_row / ${rowsTogether}u * ${units * rowsTogether}u + ` +
    `${name}_row % ${rowsTogether}u)`;
  return `let ${name}_row = ${row};
let ${name}_quants = ${start} * ${unitElements}u;
let ${name}_scales = ${start};`;
}

/** Statements that load unit `unit` of a found row as `name_0`, `name_1`... and `name_scale`. */
export function loadUnit(layout: RowLayout, name: string, unit: string): string {
  const { unitElements, rowsTogether, scaleBytes } = layout;
  const lines: string[] = [];
  for (let e = 0; e < unitElements; e++) {
    const offset = `${unit} * ${unitElements * rowsTogether}u + ${e}u`;
    lines.push(`let ${name}_${e} = quants[${name}_quants + ${offset}];`);
  }
  if (scaleBytes > 0) {
    lines.push(`let ${name}_scale = scales[${name}_scales + ${unit} * ${rowsTogether}u];`);
  }
  return lines.join("\n");
}

/** The unscaled weights `4 * quad` to `4 * quad + 3` of a loaded unit, as a vec4f expression. */
export function unitQuad(layout: RowLayout, name: string, quad: number): string {
  const lane = (perElement: number, step: number) => "xyzw"[(quad % perElement) * step];
  switch (layout.format) {
    case "f32":
      return `${name}_${quad}`;
    case "f16": {
      const e = `${name}_${quad >> 1}`;
      return `vec4f(unpack2x16float(${e}.${lane(2, 2)}), unpack2x16float(${e}.${"yw"[quad % 2]}))`;
    }
    case "bf16": {
      const pair = `${name}_${quad >> 1}.${quad % 2 === 0 ? "xxyy" : "zzww"}`;
      return `bitcast<vec4f>((${pair} << vec4u(16u, 0u, 16u, 0u)) & vec4u(0xffff0000u))`;
    }
    case "q8":
    case "q8_half":
      return `vec4f(unpack4xI8(${name}_${quad >> 2}.${lane(4, 1)}))`;
    case "q4": {
      const word = `${name}_0.${lane(4, 1)}`;
      return quad < 4
        ? `vec4f(unpack4xI8((${word} << 4u) & 0xf0f0f0f0u))`
        : `vec4f(unpack4xI8(${word} & 0xf0f0f0f0u))`;
    }
    case "q4_offset": {
      const word = `${name}_0.${lane(4, 1)}`;
      return quad < 4
        ? `vec4f(unpack4xU8(${word} & 0x0f0f0f0fu))`
        : `vec4f(unpack4xU8((${word} >> 4u) & 0x0f0f0f0fu))`;
    }
  }
}

/** The weight itself, from an unscaled quad. */
export function scaleQuad(layout: RowLayout, name: string, quad: string): string {
  if (layout.scaleBytes === 0) return quad;
  if (layout.format === "q4_offset") {
    return `fma(${quad}, vec4f(${name}_scale.x), vec4f(${name}_scale.y))`;
  }
  return `${quad} * ${name}_scale`;
}
