/**
 * ONNX's protobuf messages, as far as an exported model needs them (onnx.proto, IR version 8).
 *
 * A model is written in pieces: protobuf merges an embedded message that occurs several times, so the
 * nodes come first and every tensor follows in a `graph` field of its own. No piece is larger than
 * one tensor.
 */

import { WireWriter } from "../../../shared/otlp/wire_writer.ts";

const IR_VERSION = 8n;
/** Of the standard operators; Microsoft's have one version. */
const OPSET = 17n;

/** TensorProto.DataType. */
const ELEMENT_TYPES = { f32: 1, u8: 2, i32: 6, i64: 7 } as const;
/** AttributeProto.AttributeType. */
const FLOAT_ATTRIBUTE = 1;
const INT_ATTRIBUTE = 2;

export type ElementType = keyof typeof ELEMENT_TYPES;

/** A constant, with its elements in little-endian order. */
export interface OnnxTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

export interface OnnxNode {
  readonly operator: string;
  readonly isMicrosoft?: boolean;
  /** Names of values; "" leaves an optional one out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly integers?: Readonly<Record<string, number>>;
  readonly floats?: Readonly<Record<string, number>>;
}

/** An input or output of the whole graph; a dimension with a name may have any size. */
export interface OnnxValue {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly (number | string)[];
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** The model up to its tensors. */
export function encodeGraph(graph: OnnxGraph): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  writer.int64(1, IR_VERSION);
  for (const [domain, version] of [["", OPSET], ["com.microsoft", 1n]] as const) {
    writer.message(8, () => {
      writer.string(1, domain);
      writer.int64(2, version);
    });
  }
  writer.message(7, () => {
    writer.string(2, "llama");
    for (const node of graph.nodes) writer.message(1, () => writeNode(writer, node));
    for (const value of graph.inputs) writer.message(11, () => writeValue(writer, value));
    for (const value of graph.outputs) writer.message(12, () => writeValue(writer, value));
  });
  return writer.finish();
}

/** One more piece of the model: a constant that nodes name as an input. */
export function encodeTensor(tensor: OnnxTensor): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  writer.message(7, () =>
    writer.message(5, () => {
      for (const size of tensor.dims) writer.int64(1, BigInt(size));
      writer.uint32(2, ELEMENT_TYPES[tensor.type]);
      writer.string(8, tensor.name);
      writer.bytes(9, tensor.data);
    }));
  return writer.finish();
}

function writeNode(writer: WireWriter, node: OnnxNode): void {
  for (const name of node.inputs) writer.string(1, name);
  for (const name of node.outputs) writer.string(2, name);
  writer.string(4, node.operator);
  for (const [name, value] of Object.entries(node.integers ?? {})) {
    writer.message(5, () => {
      writer.string(1, name);
      writer.int64(3, BigInt(value));
      writer.uint32(20, INT_ATTRIBUTE);
    });
  }
  for (const [name, value] of Object.entries(node.floats ?? {})) {
    writer.message(5, () => {
      writer.string(1, name);
      writer.fixed32(2, new Uint32Array(Float32Array.of(value).buffer)[0]);
      writer.uint32(20, FLOAT_ATTRIBUTE);
    });
  }
  if (node.isMicrosoft) writer.string(7, "com.microsoft");
}

function writeValue(writer: WireWriter, value: OnnxValue): void {
  writer.string(1, value.name);
  writer.message(2, () =>
    writer.message(1, () => {
      writer.uint32(1, ELEMENT_TYPES[value.type]);
      writer.message(2, () => {
        for (const size of value.dims) {
          writer.message(1, () => {
            if (typeof size === "number") writer.int64(1, BigInt(size));
            else writer.string(2, size);
          });
        }
      });
    }));
}
