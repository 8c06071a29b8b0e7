/** Types of elements, as onnx.proto3 numbers them. */
const ELEMENT = { float32: 1, uint8: 2, int32: 6, int64: 7 } as const;

export type ElementType = keyof typeof ELEMENT;

/** A constant of a graph. */
export interface OnnxTensor {
  name: string;
  type: ElementType;
  dims: readonly number[];
  data: ArrayBufferView;
}

/** An input or output; a dimension with a name may differ from run to run. */
export interface OnnxValue {
  name: string;
  type: ElementType;
  dims: readonly (number | string)[];
}

export interface OnnxNode {
  op: string;
  /** Empty for the standard operators. */
  domain?: 'com.microsoft';
  /** An empty name is an input left out. */
  inputs: readonly string[];
  outputs: readonly string[];
  integers?: Readonly<Record<string, number>>;
  floats?: Readonly<Record<string, number>>;
}

export interface OnnxGraph {
  nodes: readonly OnnxNode[];
  constants: readonly OnnxTensor[];
  inputs: readonly OnnxValue[];
  outputs: readonly OnnxValue[];
}

const IR_VERSION = 9;
const OPSET = { '': 17, 'com.microsoft': 1 };

/** A graph as the bytes of an ONNX model: onnx.proto3 in the wire format of Protocol Buffers. */
export function onnxModel({ nodes, constants, inputs, outputs }: OnnxGraph): Uint8Array<ArrayBuffer> {
  const graph = [
    ...nodes.map((node) => message(1, nodeFields(node))),
    text(2, 'graph'),
    ...constants.map(({ name, type, dims, data }) =>
      message(5, [
        ...dims.map((dim) => integer(1, dim)),
        integer(2, ELEMENT[type]),
        text(8, name),
        field(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
      ]),
    ),
    ...inputs.map((value) => message(11, valueFields(value))),
    ...outputs.map((value) => message(12, valueFields(value))),
  ];
  return concatenated([
    integer(1, IR_VERSION),
    message(7, graph),
    ...Object.entries(OPSET).map(([domain, version]) => message(8, [text(1, domain), integer(2, version)])),
  ]);
}

function nodeFields({ op, domain, inputs, outputs, integers = {}, floats = {} }: OnnxNode): Bytes[] {
  const attribute = (name: string, value: Bytes, type: number): Bytes =>
    message(5, [text(1, name), value, integer(20, type)]);
  return [
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(integers).map(([name, value]) => attribute(name, integer(3, value), 2)),
    ...Object.entries(floats).map(([name, value]) => attribute(name, float(2, value), 1)),
    ...(domain ? [text(7, domain)] : []),
  ];
}

function valueFields({ name, type, dims }: OnnxValue): Bytes[] {
  const shape = dims.map((dim) => message(1, [typeof dim === 'string' ? text(2, dim) : integer(1, dim)]));
  return [text(1, name), message(2, [message(1, [integer(1, ELEMENT[type]), message(2, shape)])])];
}

/** A field's bytes in pieces: weights are copied once, into the model. */
type Bytes = readonly Uint8Array[];

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Uint8Array.of(...bytes, value);
}

function integer(number: number, value: number): Bytes {
  return [varint(number * 8 + VARINT), varint(value)];
}

function float(number: number, value: number): Bytes {
  return [varint(number * 8 + FIXED_32), new Uint8Array(Float32Array.of(value).buffer)];
}

function field(number: number, ...pieces: Uint8Array[]): Bytes {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return [varint(number * 8 + LENGTH_DELIMITED), varint(length), ...pieces];
}

function text(number: number, value: string): Bytes {
  return field(number, new TextEncoder().encode(value));
}

function message(number: number, fields: readonly Bytes[]): Bytes {
  return field(number, ...fields.flat());
}

function concatenated(fields: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  const pieces = fields.flat();
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
