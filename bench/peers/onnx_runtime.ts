/**
 * ONNX Runtime inside Deno, as a peer of `bench/engine`: on the adapter with ONNX Runtime Web's WebGPU
 * provider, or on the CPU with its Node package.
 *
 * A run's `present` outputs, which stay where they were computed, are the next one's `past` inputs. The
 * next token is the argmax of the logits, taken here, as its users do.
 *
 * Usage: deno run -A onnx_runtime.ts MODEL.onnx adapter|cpu FOLDER, where FOLDER/node_modules holds the
 * packages.
 */

import { createRequire } from "node:module";
import { toFileUrl } from "@std/path/mod.js";
import type { PeerRequest, PeerResult } from "../engine/peer_process.ts";
import { servePeer } from "./serve_peer.ts";

/** The part of ONNX Runtime that is used here; it is installed in the cache, not imported. */
interface OnnxRuntime {
  readonly env: { readonly wasm: { numThreads: number } };
  readonly Tensor: new (
    type: "int64" | "int32" | "float32",
    data: BigInt64Array | Int32Array | Float32Array,
    dims: readonly number[],
  ) => OnnxTensor;
  readonly InferenceSession: {
    create(
      model: string | Uint8Array,
      options: Readonly<Record<string, unknown>>,
    ): Promise<OnnxSession>;
  };
}

interface OnnxTensor {
  readonly dims: readonly number[];
  getData(release: boolean): Promise<Float32Array>;
  dispose(): void;
}

interface OnnxSession {
  readonly inputMetadata: readonly { readonly name: string; readonly shape: readonly unknown[] }[];
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
}

const [modelPath = "", device = "", folder = ""] = Deno.args;
const startedAt = performance.now();
const runtime = device === "cpu" ? nodeRuntime() : await webRuntime();
const session = device === "cpu" ? await openOnCpu() : await openOnAdapter();
const pastInputs = session.inputMetadata.filter(({ name }) => name.startsWith("past."));
await servePeer(performance.now() - startedAt, generate);

function nodeRuntime(): OnnxRuntime {
  return createRequire(`${folder}/package.json`)("onnxruntime-node");
}

async function webRuntime(): Promise<OnnxRuntime> {
  const bundle = `${folder}/node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs`;
  const web: OnnxRuntime = await import(toFileUrl(bundle).href);
  web.env.wasm.numThreads = 1;
  return web;
}

async function openOnCpu(): Promise<OnnxSession> {
  return await runtime.InferenceSession.create(modelPath, {
    executionProviders: ["cpu"],
    intraOpNumThreads: navigator.hardwareConcurrency,
  });
}

async function openOnAdapter(): Promise<OnnxSession> {
  return await runtime.InferenceSession.create(await Deno.readFile(modelPath), {
    executionProviders: ["webgpu"],
    preferredOutputLocation: "gpu-buffer",
  });
}

async function generate({ prompts, tokens: count }: PeerRequest): Promise<PeerResult> {
  const promptTokens = prompts[0].length;
  const tokens: number[][] = prompts.map(() => []);
  let past = emptyCache(prompts.length);
  let input = prompts;
  let length = 0;
  let firstAt = 0;
  const start = performance.now();
  for (let step = 0; step < count; step++) {
    length += input[0].length;
    const outputs = await session.run({ ...stepInputs(input, length), ...past });
    for (const tensor of Object.values(past)) tensor.dispose();
    past = Object.fromEntries(
      pastInputs.map(({ name }) => [name, outputs[name.replace("past", "present")]]),
    );
    input = (await argmaxRows(outputs.logits)).map((token, i) => {
      tokens[i].push(token);
      return [token];
    });
    if (step === 0) firstAt = performance.now();
  }
  const end = performance.now();
  for (const tensor of Object.values(past)) tensor.dispose();
  return {
    prefillTokensPerSecond: promptTokens * prompts.length / ((firstAt - start) / 1e3),
    decodeTokensPerSecond: (count - 1) * prompts.length / ((end - firstAt) / 1e3),
    tokens,
  };
}

function emptyCache(sequences: number): Record<string, OnnxTensor> {
  return Object.fromEntries(pastInputs.map(({ name, shape }) => {
    const dims = [sequences, Number(shape[1]), 0, Number(shape[3])];
    return [name, new runtime.Tensor("float32", new Float32Array(0), dims)];
  }));
}

/** Rows of equal length, of which `length` positions will be known after the step. */
function stepInputs(rows: readonly (readonly number[])[], length: number) {
  const ids = BigInt64Array.from(rows.flat(), BigInt);
  const known = Int32Array.from(rows, () => length - 1);
  return {
    input_ids: new runtime.Tensor("int64", ids, [rows.length, rows[0].length]),
    seqlens_k: new runtime.Tensor("int32", known, [rows.length]),
    total_sequence_length: new runtime.Tensor("int32", Int32Array.of(length), [1]),
  };
}

/** The position of the largest value of each row. */
async function argmaxRows(logits: OnnxTensor): Promise<number[]> {
  const { dims: [rows, , vocab] } = logits;
  const data = await logits.getData(true);
  return Array.from({ length: rows }, (_, row) => {
    let best = row * vocab;
    for (let i = best + 1; i < (row + 1) * vocab; i++) if (data[i] > data[best]) best = i;
    return best - row * vocab;
  });
}
