import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { tinyModel } from "../../../tests/gpu/tiny_model.ts";
import type { ModelFile } from "../../../shared/weights/mod.ts";
import { exportLlama } from "./llama_onnx.ts";
import { type Field, fieldsOf, numberOf, onlyField, textOf } from "./testing/protobuf_fields.ts";

interface ReadNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** The graph of an exported model; the pieces of its `graph` field merged, as protobuf does. */
async function exportedGraph(model: ModelFile): Promise<readonly Field[]> {
  const graph: Field[] = [];
  for await (const piece of exportLlama(model)) {
    for (const field of fieldsOf(piece)) if (field.number === 7) graph.push(...fieldsOf(field.bytes));
  }
  return graph;
}

function nodesOf(graph: readonly Field[]): ReadNode[] {
  return graph.filter(({ number }) => number === 1).map(({ bytes }) => {
    const fields = fieldsOf(bytes);
    const names = (number: number) => fields.filter((field) => field.number === number).map(textOf);
    return { operator: textOf(onlyField(fields, 4)), inputs: names(1), outputs: names(2) };
  });
}

/** Name, dimensions and bytes of each constant. */
function constantsOf(graph: readonly Field[]) {
  return new Map(
    graph.filter(({ number }) => number === 5).map(({ bytes }) => {
      const fields = fieldsOf(bytes);
      const dims = fields.filter(({ number }) => number === 1).map(numberOf);
      return [textOf(onlyField(fields, 8)), { dims, data: onlyField(fields, 9).bytes }];
    }),
  );
}

function valueNames(graph: readonly Field[], number: number): string[] {
  return graph.filter((field) => field.number === number)
    .map(({ bytes }) => textOf(onlyField(fieldsOf(bytes), 1)));
}

Deno.test("exportLlama() feeds every node from an input, a constant or an earlier node", async () => {
  const graph = await exportedGraph(tinyModel());
  const known = new Set(["", ...valueNames(graph, 11), ...constantsOf(graph).keys()]);
  for (const { operator, inputs, outputs } of nodesOf(graph)) {
    for (const name of inputs) assertEquals(known.has(name), true, `${operator} reads ${name}`);
    for (const name of outputs) known.add(name);
  }
  for (const name of valueNames(graph, 12)) assertEquals(known.has(name), true, name);
});

Deno.test("exportLlama() packs 4-bit weights in 4 bits and all others in 8", async () => {
  const model = tinyModel({ type: "F32", types: { attn_v: "Q4_1" } });
  const { hidden, kvHeads, headDim, heads } = model.shape;
  const constants = constantsOf(await exportedGraph(model));
  const blocks = hidden / 32;
  assertEquals(constants.get("blk.0.attn_v.weight quants")?.dims, [kvHeads * headDim, blocks, 16]);
  assertEquals(constants.get("blk.0.attn_q.weight quants")?.dims, [heads * headDim, blocks, 32]);
  assertEquals(constants.get("blk.0.attn_q.weight scales")?.data.length, heads * headDim * blocks * 4);
});

Deno.test("exportLlama() moves the rows of queries and keys from neighbours to halves", async () => {
  const model = tinyModel({ type: "F32" });
  const { headDim, hidden } = model.shape;
  const tensor = model.tensors.get("blk.0.attn_k.weight")!;
  const bytes = new Uint8Array(tensor.byteLength);
  await model.read(tensor, 0, bytes);
  const weights = new Float32Array(bytes.buffer);
  const blocks = hidden / 32;
  const { data } = constantsOf(await exportedGraph(model)).get("blk.0.attn_k.weight scales")!;
  const scales = new Float32Array(data.slice().buffer);
  const firstScale = (row: number) => {
    const block = weights.subarray(row * hidden, row * hidden + 32);
    return Math.fround(Math.max(...block.map(Math.abs)) / 127);
  };
  for (const [row, from] of [[0, 0], [1, 2], [headDim / 2, 1], [headDim - 1, headDim - 1]]) {
    assertEquals(scales[row * blocks], firstScale(from), `row ${row}`);
  }
});

Deno.test("exportLlama() refuses a model that rotates a part of its heads", async () => {
  const model = tinyModel({ shape: { ropeDim: 16 } });
  await assertRejects(() => exportedGraph(model), RangeError, "it rotates 16 of");
});
