import { assert, assertEquals, assertRejects } from "@std/assert/mod.js";
import { WireReader } from "../../../shared/otlp/wire_reader.ts";
import type { ModelFile } from "../../../shared/weights/mod.ts";
import { tinyModel } from "../../../tests/gpu/tiny_model.ts";
import { exportLlama, type ExportOptions } from "./llama_onnx.ts";

interface ReadGraph {
  readonly nodes: { operator: string; inputs: string[]; outputs: string[] }[];
  readonly constants: Map<string, { dims: number[]; data: Uint8Array }>;
  readonly inputs: string[];
  readonly outputs: string[];
}

async function exportedGraph(
  model: ModelFile,
  options: ExportOptions = { nibbleBits: 4 },
): Promise<ReadGraph> {
  const graph: ReadGraph = { nodes: [], constants: new Map(), inputs: [], outputs: [] };
  for await (const piece of exportLlama(model, options)) {
    readFields(new WireReader(piece), {
      7: (reader) =>
        readFields(reader.message(), {
          1: (node) => graph.nodes.push(readNode(node.message())),
          5: (tensor) => readConstant(tensor.message(), graph),
          11: (value) => graph.inputs.push(readName(value.message())),
          12: (value) => graph.outputs.push(readName(value.message())),
        }),
    });
  }
  return graph;
}

/** Calls the handler of each field's number. Handlers read the value; others are skipped. */
function readFields(reader: WireReader, handlers: Record<number, (reader: WireReader) => unknown>) {
  while (reader.next()) {
    const handle = handlers[reader.field];
    if (handle === undefined) reader.skip();
    else handle(reader);
  }
}

function readNode(reader: WireReader) {
  const node = { operator: "", inputs: [] as string[], outputs: [] as string[] };
  readFields(reader, {
    1: () => node.inputs.push(reader.string()),
    2: () => node.outputs.push(reader.string()),
    4: () => node.operator = reader.string(),
  });
  return node;
}

function readConstant(reader: WireReader, { constants }: ReadGraph) {
  const dims: number[] = [];
  let [name, data] = ["", new Uint8Array()];
  readFields(reader, {
    1: () => dims.push(Number(reader.int64())),
    8: () => name = reader.string(),
    9: () => data = Uint8Array.from(reader.slice()),
  });
  constants.set(name, { dims, data });
}

function readName(reader: WireReader): string {
  let name = "";
  readFields(reader, { 1: () => name = reader.string() });
  return name;
}

Deno.test("exportLlama() feeds every node from an input, a constant or an earlier node", async () => {
  const graph = await exportedGraph(tinyModel());
  const known = new Set(["", ...graph.inputs, ...graph.constants.keys()]);
  for (const { operator, inputs, outputs } of graph.nodes) {
    for (const name of inputs) assert(known.has(name), `${operator} reads ${name}`);
    for (const name of outputs) known.add(name);
  }
  for (const name of graph.outputs) assert(known.has(name), name);
});

Deno.test("exportLlama() packs 4-bit weights in as many bits as asked for, and all others in 8", async () => {
  const model = tinyModel({ type: "F32", types: { attn_v: "Q4_1" } });
  const { hidden, kvHeads, headDim, heads } = model.shape;
  const { constants } = await exportedGraph(model);
  const blocks = hidden / 32;
  assertEquals(constants.get("blk.0.attn_v.weight quants")?.dims, [kvHeads * headDim, blocks, 16]);
  assertEquals(constants.get("blk.0.attn_q.weight quants")?.dims, [heads * headDim, blocks, 32]);
  assertEquals(constants.get("blk.0.attn_q.weight scales")?.dims, [heads * headDim, blocks]);
  const wider = await exportedGraph(model, { nibbleBits: 8 });
  assertEquals(wider.constants.get("blk.0.attn_v.weight quants")?.dims[2], 32);
});

Deno.test("exportLlama() moves the rows of queries and keys from neighbours to halves", async () => {
  const model = tinyModel({ type: "F32" });
  const { headDim, hidden } = model.shape;
  const tensor = model.tensors.get("blk.0.attn_k.weight")!;
  const bytes = new Uint8Array(tensor.byteLength);
  await model.read(tensor, 0, bytes);
  const weights = new Float32Array(bytes.buffer);
  const blocks = hidden / 32;
  const { constants } = await exportedGraph(model);
  const scales = new Float32Array(constants.get("blk.0.attn_k.weight scales")!.data.buffer);
  const firstScale = (row: number) => {
    const block = weights.subarray(row * hidden, row * hidden + 32);
    return Math.fround(Math.max(...block.map(Math.abs)) / 127);
  };
  for (const [row, from] of [[0, 0], [1, 2], [headDim / 2, 1], [headDim - 1, headDim - 1]]) {
    assertEquals(scales[row * blocks], firstScale(from), `row ${row}`);
  }
});

Deno.test("exportLlama() refuses a model that rotates a part of its heads", async () => {
  const model = tinyModel({ shape: { ropeDim: 8 } });
  await assertRejects(() => exportedGraph(model), RangeError, "it rotates 8 of 16");
});
