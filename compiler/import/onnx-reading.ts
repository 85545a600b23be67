/** What the readers of single ONNX nodes share: known values, the net being drafted, attributes, and how a node is refused. */
import type { Message } from "../diagnostics/diagnostic.ts";
import type { NetDraft } from "./net-draft.ts";
import type { Constant, OnnxNode } from "./onnx-file.ts";

/**
 * A value of the net as the file sees it. `dims` are its sizes without the batch; they may differ from those of `value` in the draft as
 * long as the order of elements is the same, so squeezing and flattening cost no layer until one is needed.
 */
export interface Seen {
  readonly value: string;
  readonly dims: readonly number[];
  /** A border of zeros that a convolution can take over, and the value without it. */
  readonly padded?: { readonly value: string; readonly pads: readonly number[] };
  /** Axes of `dims` (with the batch) after a transposition that is no layer by itself: half of a channel shuffle. */
  readonly perm?: readonly number[];
}

export interface Reading {
  readonly draft: NetDraft;
  readonly opset: number;
  readonly constants: Map<string, Constant>;
  readonly seen: Map<string, Seen>;
  /** Nodes that read a value. */
  readonly readers: ReadonlyMap<string, readonly OnnxNode[]>;
  /** Outputs of the model: values that must stay. */
  readonly outputs: ReadonlySet<string>;
  /** "label.role" of the draft to the name of the tensor in the file. */
  readonly tensorNames: Map<string, string>;
  /** Nodes whose work an earlier node took over. */
  readonly done: Set<OnnxNode>;
}

/** Why a node has no equivalent; caught by the driver, which goes on with the next node. */
export class Refusal extends Error {}

export function refuse(why: string): never {
  throw new Refusal(why);
}

export const ints = (node: OnnxNode, name: string): readonly number[] | undefined => {
  const a = node.attrs.get(name);
  return a && a.ints.length > 0 ? a.ints.map(Number) : undefined;
};
export const int = (node: OnnxNode, name: string, other: number): number => {
  const a = node.attrs.get(name);
  return a?.i === undefined ? other : Number(a.i);
};
export const text = (node: OnnxNode, name: string, other: string): string => {
  const a = node.attrs.get(name);
  return a?.s === undefined || a.s.length === 0 ? other : new TextDecoder().decode(a.s);
};

/** The shortest decimal that is the same f32: 0.1 was written, not 0.10000000149. */
export function shortest(x: number): number {
  const single = Math.fround(x);
  if (!Number.isFinite(single)) return x;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return short;
  }
  return single;
}
export const float = (node: OnnxNode, name: string, other: number): number => {
  const a = node.attrs.get(name);
  return a?.f === undefined ? other : shortest(a.f);
};

export const sizeOf = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

export function input(cx: Reading, node: OnnxNode, i: number): Seen {
  const name = node.inputs[i] ?? "";
  const seen = cx.seen.get(name);
  if (seen) return seen;
  return refuse(cx.constants.has(name) ? `its input \`${name}\` is a constant` : `its input \`${name}\` is missing`);
}

export function constant(cx: Reading, node: OnnxNode, i: number): Constant | undefined {
  return cx.constants.get(node.inputs[i] ?? "");
}

/** A list of whole numbers, from an input (newer opsets) or an attribute (older). */
export function listOf(cx: Reading, node: OnnxNode, i: number, name: string): readonly number[] | undefined {
  const given = node.inputs[i] ? constant(cx, node, i) : undefined;
  if (node.inputs[i] && !given) refuse(`\`${name}\` is computed while the net runs`);
  return given ? [...given.data] : ints(node, name);
}

/** Sizes of the draft's value, without the batch. */
export const draftDims = (cx: Reading, value: string): readonly number[] => cx.draft.typeOf(value).shape.slice(1) as readonly number[];

const sameDims = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

/** The value with the sizes that the file gives it: a flatten or a reshape is added when the draft has others. */
export function settle(cx: Reading, seen: Seen, label: string): string {
  if (seen.perm) return refuse("it reads a transposition that is no part of a channel shuffle");
  const have = draftDims(cx, seen.value);
  if (sameDims(have, seen.dims)) return seen.value;
  if (seen.dims.length === 1 && have.length === 3) return added(cx, cx.draft.add({ label, op: "flatten", inputs: [seen.value] }));
  if (seen.dims.length !== 1 && seen.dims.length !== 3) return refuse(`it reads a value of rank ${seen.dims.length + 1}`);
  return added(cx, cx.draft.add({ label, op: "reshape", inputs: [seen.value], attrs: { dims: seen.dims } }));
}

function added(_cx: Reading, value: string | Message): string {
  return typeof value === "string" ? value : refuse(value.title);
}

export interface Layer {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attrs?: Readonly<Record<string, unknown>>;
  /** Values by role, with the file's name for them. */
  readonly tensors?: Readonly<Record<string, { readonly data: Float32Array; readonly name?: string | undefined }>>;
}

/** Adds a layer called after the node. */
export function layer(cx: Reading, node: OnnxNode, { op, inputs, attrs = {}, tensors = {} }: Layer): string {
  const value = added(
    cx,
    cx.draft.add({
      label: labelOf(node),
      op,
      inputs,
      attrs,
      tensors: Object.fromEntries(Object.entries(tensors).map(([role, t]) => [role, t.data])),
    }),
  );
  for (const [role, { name }] of Object.entries(tensors)) if (name) cx.tensorNames.set(`${value}.${role}`, name);
  return value;
}

export const labelOf = (node: OnnxNode): string => node.name || node.outputs[0] || node.op;

/** What the node's first output is from now on. */
export function give(cx: Reading, node: OnnxNode, value: string, dims: readonly number[] = draftDims(cx, value)): undefined {
  cx.seen.set(node.outputs[0] ?? "", { value, dims });
}

/** A constant as the values of a tensor of `count` elements. */
export function tensor(cx: Reading, node: OnnxNode, i: number, count: number): { data: Float32Array; name: string } {
  const name = node.inputs[i] ?? "";
  const c = cx.constants.get(name) ?? refuse(`its input \`${name}\` is no constant`);
  if (c.data.length !== count) refuse(`\`${name}\` has ${c.data.length} values; ${count} are wanted`);
  return { data: c.data instanceof Float32Array ? c.data : Float32Array.from(c.data), name };
}

/** The one reader of a node's output, when it has that op and nothing else needs the value. */
export function onlyReader(cx: Reading, node: OnnxNode, op: string): OnnxNode | undefined {
  const name = node.outputs[0] ?? "";
  const [reader, ...more] = cx.readers.get(name) ?? [];
  return reader && more.length === 0 && reader.op === op && !cx.outputs.has(name) ? reader : undefined;
}
