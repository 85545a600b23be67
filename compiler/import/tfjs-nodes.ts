/**
 * Models of TensorFlow.js as the nodes that the ONNX importer reads: layers with windows are channels first between two transpositions,
 * which cancel out while the nodes are read, and all that was learnt about idioms of channels-last files holds for these too.
 */
import type { Constant, NodeAttribute, NodeSource, OnnxNode } from "./onnx-file.ts";
import { permutedValues } from "./stored-values.ts";

const FIRST = [0, 3, 1, 2];
const LAST = [0, 2, 3, 1];

export interface NodeList {
  readonly nodes: OnnxNode[];
  readonly constants: Map<string, Constant>;
  /** Tensors in the order of our layers, once for all layers that read them. */
  readonly turned: Map<Constant["data"], Map<string, Constant>>;
  /** Tensors that the file does not have: once, however often a model in the model is called. */
  readonly filled: Map<string, Constant>;
}

/** The layer of the file that nodes stand for, and the dotted path that it has in the spec. */
export interface Origin {
  readonly source: NodeSource;
  readonly path: string;
}

type Attribute = number | string | readonly number[];

export const nodeList = (): NodeList => ({ nodes: [], constants: new Map(), turned: new Map(), filled: new Map() });

/** No name of a file holds a NUL in front, so ours are never one of theirs. */
const fresh = (list: NodeList): string => `\0${list.nodes.length}.${list.constants.size}`;

function attributeOf(value: Attribute): NodeAttribute {
  const none = { i: 0n, f: 0, s: new Uint8Array(), ints: [], floats: [] };
  if (typeof value === "string") return { ...none, s: Uint8Array.from(new TextEncoder().encode(value)) };
  if (typeof value === "number") return { ...none, f: value, i: Number.isInteger(value) ? BigInt(value) : 0n };
  return { ...none, ints: value.map((v) => BigInt(Math.trunc(v))) };
}

/** Adds a node. */
export function putAll(
  list: NodeList,
  origin: Origin,
  op: string,
  inputs: readonly string[],
  attrs: Readonly<Record<string, Attribute>>,
  outputs: readonly string[],
): void {
  list.nodes.push({
    name: origin.path,
    op,
    domain: "",
    inputs,
    outputs,
    attrs: new Map(Object.entries(attrs).map(([name, value]) => [name, attributeOf(value)])),
    source: origin.source,
  });
}

/** Adds a node of one output and gives the name of that. */
export function put(
  list: NodeList,
  origin: Origin,
  op: string,
  inputs: readonly string[],
  attrs: Readonly<Record<string, Attribute>> = {},
): string {
  const output = fresh(list);
  putAll(list, origin, op, inputs, attrs, [output]);
  return output;
}

/** A node without an equivalent; what reads its outputs is not refused for that. */
export function putRefused(list: NodeList, origin: Origin, inputs: readonly string[], why: string, outputs = [fresh(list)]): string {
  list.nodes.push({
    name: origin.path,
    op: origin.source.kind,
    domain: "",
    inputs,
    outputs,
    attrs: new Map(),
    source: origin.source,
    refused: why,
  });
  return outputs[0] as string;
}

export const channelsFirst = (list: NodeList, origin: Origin, value: string): string =>
  put(list, origin, "Transpose", [value], { perm: FIRST });
export const channelsLast = (list: NodeList, origin: Origin, value: string): string =>
  put(list, origin, "Transpose", [value], { perm: LAST });

/** Work on a map that is channels first meanwhile. */
export function onMap(list: NodeList, origin: Origin, value: string, isLast: boolean, make: (value: string) => string): string {
  return isLast ? channelsLast(list, origin, make(channelsFirst(list, origin, value))) : make(value);
}

/** A constant under a name of its own; `name` is what the tensor is called in the spec. */
export function putConstant(list: NodeList, constant: Constant, name?: string): string {
  const key = fresh(list);
  list.constants.set(key, { ...constant, name: name ?? constant.name });
  return key;
}

export const numbers = (list: NodeList, values: readonly number[]): string =>
  putConstant(list, { shape: [values.length], data: Float64Array.from(values) });

export const number = (list: NodeList, value: number): string => putConstant(list, { shape: [], data: Float64Array.of(value) });

/** A constant that is made up, by what it is made of. */
export function madeOnce(list: NodeList, key: string, make: () => Constant): Constant {
  const made = list.filled.get(key) ?? make();
  list.filled.set(key, made);
  return made;
}

/** The constant changed by `make`; `how` says which change that is. */
export function turnedOnce(list: NodeList, c: Constant, how: string, make: () => Constant): Constant {
  const known = list.turned.get(c.data) ?? new Map<string, Constant>();
  list.turned.set(c.data, known);
  const result = known.get(how) ?? make();
  known.set(how, result);
  return result;
}

/** [h, w, in, out] as [out, in, h, w]; of a transposed convolution, [h, w, out, in] as [in, out, h, w]. */
export const outFirst = (list: NodeList, c: Constant): Constant => turnedOnce(list, c, "out", () => permuted(c, [3, 2, 0, 1]));

/** [h, w, in, multiplier] as [in * multiplier, 1, h, w]. */
export const perChannel = (list: NodeList, c: Constant): Constant =>
  turnedOnce(list, c, "channel", () => {
    const { shape, data } = permuted(c, [2, 3, 0, 1]);
    const [channels, multiplier, h, w] = shape as [number, number, number, number];
    return { shape: [channels * multiplier, 1, h, w], data };
  });

/** [in, out] as the kernel of a 1x1 convolution. */
export const asKernel = (list: NodeList, c: Constant): Constant =>
  turnedOnce(list, c, "kernel", () => permuted({ ...c, shape: [1, 1, ...c.shape] }, [3, 2, 0, 1]));

function permuted({ shape, data }: Constant, order: readonly number[]): Constant {
  const turned = order.map((o) => shape[o] as number);
  // sizes beside a 0 may be anything
  return { shape: turned, data: data.length === 0 ? data : permutedValues(data, shape, order) };
}
