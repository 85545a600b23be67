/** ONNX operations as data: a cell says what computes its layer, `model.ts` gives everything names and writes nodes. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { AttributeProtoSchema, type AttributeProto_AttributeType as AttributeType, AttributeProto_AttributeType as Type } from "onnx-buf";

/** A constant tensor, which becomes an initialiser; equal ones are stored once. */
export type Constant =
  | { readonly kind: "f32"; readonly dims: readonly number[]; readonly values: readonly number[] }
  | { readonly kind: "i64"; readonly dims: readonly number[]; readonly values: readonly number[] };

/** Name of a value of the file, a constant, or what another operation computes. */
export type Operand = string | Constant | Call;

/** One operation with one result. The same object in two places is one node. */
export interface Call {
  readonly kind: "call";
  readonly op: string;
  /** "" for an optional input that is left out. */
  readonly inputs: readonly Operand[];
  readonly attributes: readonly Attribute[];
}

export type Attribute = ReturnType<typeof attribute>;

function attribute(type: AttributeType, init: Omit<MessageInitShape<typeof AttributeProtoSchema>, "$typeName">) {
  return create(AttributeProtoSchema, { type, ...init });
}

/** In an array of its own: the message type wants no view of shared memory. */
const utf8 = (value: string): Uint8Array<ArrayBuffer> => Uint8Array.from(new TextEncoder().encode(value));

export const int = (name: string, value: number): Attribute => attribute(Type.INT, { name, i: BigInt(value) });
export const ints = (name: string, values: readonly number[]): Attribute => attribute(Type.INTS, { name, ints: values.map(BigInt) });
export const float = (name: string, value: number): Attribute => attribute(Type.FLOAT, { name, f: Math.fround(value) });
export const text = (name: string, value: string): Attribute => attribute(Type.STRING, { name, s: utf8(value) });

export const call = (op: string, inputs: readonly Operand[], ...attributes: readonly Attribute[]): Call => ({
  kind: "call",
  op,
  inputs,
  attributes,
});

export const scalar = (value: number): Constant => ({ kind: "f32", dims: [], values: [Math.fround(value)] });
/** A vector of `count` equal numbers. */
export const filled = (count: number, value: number): Constant => ({
  kind: "f32",
  dims: [count],
  values: Array.from({ length: count }, () => Math.fround(value)),
});
export const floats = (dims: readonly number[], values: readonly number[]): Constant => ({
  kind: "f32",
  dims,
  values: values.map(Math.fround),
});
/** A vector of whole numbers: a shape, axes, indices. */
export const whole = (...values: readonly number[]): Constant => ({ kind: "i64", dims: [values.length], values });
