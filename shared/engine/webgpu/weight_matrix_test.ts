import { assertEquals, assertThrows } from "@std/assert/mod.js";
import type { TensorInfo, TensorType } from "../../weights/model_file.ts";
import { tensorByteLength } from "../../weights/tensor_types.ts";
import { DeviceError } from "../backend.ts";
import { NARROW_SHAPES, WIDE_SHAPES } from "./kernel_shapes.ts";
import { type MatrixPlan, planMatrix, type PlanOptions } from "./weight_matrix.ts";

const WIDE: PlanOptions = { shapes: WIDE_SHAPES, maxBindingBytes: 1 << 27 };
const NARROW: PlanOptions = { ...WIDE, shapes: NARROW_SHAPES };

function tensor(name: string, type: TensorType, rows: number, columns = 64): TensorInfo {
  const byteLength = tensorByteLength(type, rows * columns);
  return { name, type, shape: [rows, columns], fileOffset: 0, byteLength };
}

function summary(plan: MatrixPlan) {
  return plan.parts.map(({ layout, start, rows, sources }) => ({
    format: layout.format,
    start,
    rows,
    from: sources.map((source) => `${source.tensor.name} ${source.tensorRow}+${source.rows}`),
  }));
}

Deno.test("planMatrix() merges stacked tensors of one type into one part", () => {
  const plan = planMatrix("qkv", [tensor("q", "Q8_0", 96), tensor("k", "Q8_0", 32)], WIDE);
  assertEquals(summary(plan), [{ format: "q8", start: 0, rows: 128, from: ["q 0+96", "k 0+32"] }]);
  assertEquals([plan.rows, plan.columns], [128, 64]);
  assertEquals(plan.deviceBytes, 128 * (64 + 2 * 4));
  assertEquals(plan.fileBytes, 128 * 2 * 34);
});

Deno.test("planMatrix() begins a part where the type changes", () => {
  const tensors = [tensor("q", "Q4_1", 8), tensor("k", "Q4_1", 4), tensor("v", "Q8_0", 4)];
  assertEquals(summary(planMatrix("qkv", tensors, WIDE)), [
    { format: "q4_offset", start: 0, rows: 12, from: ["q 0+8", "k 0+4"] },
    { format: "q8", start: 12, rows: 4, from: ["v 0+4"] },
  ]);
});

Deno.test("planMatrix() splits rows at the binding limit, across tensors too", () => {
  const tensors = [tensor("a", "F32", 5), tensor("b", "F32", 3)];
  assertEquals(summary(planMatrix("ab", tensors, { ...WIDE, maxBindingBytes: 3 * 256 + 1 })), [
    { format: "f32", start: 0, rows: 3, from: ["a 0+3"] },
    { format: "f32", start: 3, rows: 3, from: ["a 3+2", "b 0+1"] },
    { format: "f32", start: 6, rows: 2, from: ["b 1+2"] },
  ]);
});

Deno.test("planMatrix() refuses tensors of different widths and widths that no unit divides", () => {
  const uneven = [tensor("q", "F32", 4, 64), tensor("k", "F32", 4, 32)];
  assertThrows(
    () => planMatrix("qkv", uneven, WIDE),
    DeviceError,
    "Cannot stack k in qkv: it has 32 columns, not 64",
  );
  assertThrows(
    () => planMatrix("odd", [tensor("odd", "F16", 4, 36)], WIDE),
    DeviceError,
    "the columns must be a multiple of 8",
  );
});

Deno.test("planMatrix() refuses a row that passes the binding limit", () => {
  assertThrows(
    () => planMatrix("wide", [tensor("wide", "F32", 2, 64)], { ...WIDE, maxBindingBytes: 255 }),
    DeviceError,
    "its smallest part needs 256 bytes, and the adapter binds 255",
  );
});

Deno.test("planMatrix() for narrow kernels splits between groups of rows that lie together, and pads", () => {
  const limit = { ...NARROW, maxBindingBytes: 100 * 64 };
  const plan = planMatrix("a", [tensor("a", "Q8_0", 100)], limit);
  assertEquals(summary(plan).map(({ start, rows }) => [start, rows]), [[0, 96], [96, 4]]);
  assertEquals(plan.deviceBytes, (96 + 32) * (64 + 2 * 4));
});
