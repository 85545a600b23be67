/** What the readers of single ONNX nodes share: known values, the net being drafted, attributes, and how a node is refused. */

import type { TensorValues } from "../ir/values.ts";
import type { NetDraft } from "./net-draft.ts";
import type { Constant, OnnxNode } from "./onnx-file.ts";
import { added, dimsIn, refuse, type SeenValue, sameDims, settled, shortest } from "./reading.ts";
import { numbersOf, type Values } from "./stored-values.ts";

export { Refusal, refuse, shortest, sizeOf } from "./reading.ts";

export interface Seen extends SeenValue {
  /** The node that gave it these sizes, when they are not those of the draft: a layer that has to be added for them is called so. */
  readonly by?: string | undefined;
  /** A border of zeros that a convolution can take over, and the value without it. */
  readonly padded?: { readonly value: string; readonly pads: readonly number[] };
  /** Axes of `dims` (with the batch) after a transposition that is no layer by itself: half of a channel shuffle, or channels last. */
  readonly perm?: readonly number[] | undefined;
  /** A map laid out in a row after a transposition: features in another order than the value's own. */
  readonly row?: Transposed | undefined;
  /** The sizes after an Expand that is left to the sum or product that reads the value. */
  readonly spread?: readonly number[];
}

/** A map [C, H, W] and the order (with the batch) that its axes were brought into. */
export interface Transposed {
  readonly dims: readonly number[];
  readonly perm: readonly number[];
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
  /** Tensors in another order or type, once for all nodes that read them so: a small file must not ask for much memory. */
  readonly changed: Map<Values, Map<string, TensorValues>>;
  /** Elements that may still be made by folding constants. */
  readonly budget: { left: number };
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

export const float = (node: OnnxNode, name: string, other: number): number => {
  const a = node.attrs.get(name);
  return a?.f === undefined ? other : shortest(a.f);
};

/** An input as people know it: names that a reader of another format made up begin with a NUL. */
function calledIn(cx: Reading, name: string): string {
  const own = cx.constants.get(name)?.name ?? name;
  return own.startsWith("\0") ? "what it reads" : `its input \`${own}\``;
}

/** An input with its elements in the order that the file sees. */
export function input(cx: Reading, node: OnnxNode, i: number): Seen {
  const seen = anyInput(cx, node, i);
  // called after what reads it, which keeps its own name
  const laid = channelsFirstOf(cx, seen, `${labelOf(node)}/Reshape`);
  if (laid) cx.seen.set(node.inputs[i] ?? "", laid);
  return ordered(laid ?? seen);
}

/**
 * Features [H * W * C] that the file takes for a map that is channels last, and a channels-first one from here on: the pixels are runs of
 * channels, which a channel shuffle deals out. Undefined for everything else.
 */
function channelsFirstOf(cx: Reading, { value, dims, perm }: Seen, label: string): Seen | undefined {
  const have = draftDims(cx, value);
  if (perm?.join() !== "0,3,1,2" || dims.length !== 3 || sameDims(have, dims) || movesNothing(perm, dims)) return undefined;
  const [h, w, c] = dims as [number, number, number];
  const row = settled(cx.draft, { value, dims: [h * w * c, 1, 1] }, label);
  const dealt = added(cx.draft.add({ label, op: "chanshuffle", inputs: [row], attrs: { groups: h * w } }));
  return { value: settled(cx.draft, { value: dealt, dims: [c, h, w] }, label), dims: [c, h, w] };
}

function ordered(given: Seen): Seen {
  const seen = inFileOrder(given);
  return seen.perm || seen.row ? refuse("it reads a transposition that nothing turns back") : seen;
}

/** Whether axes in this order leave every element where it is: sizes of 1 move none. */
export function movesNothing(perm: readonly number[], dims: readonly number[]): boolean {
  const order = perm.slice(1).filter((p) => dims[p - 1] !== 1);
  return order.every((p, i) => i === 0 || p > (order[i - 1] as number));
}

/** Without a transposition that moves nothing. */
export function inFileOrder(seen: Seen): Seen {
  const { value, dims, perm, by } = seen;
  return perm && movesNothing(perm, dims) ? { value, dims: fileDims(seen), by } : seen;
}

/** An input that may wait for the end of a transposition. */
export function anyInput(cx: Reading, node: OnnxNode, i: number): Seen {
  const name = node.inputs[i] ?? "";
  const seen = cx.seen.get(name);
  if (seen) return seen;
  return refuse(`${calledIn(cx, name)} is ${cx.constants.has(name) ? "a constant" : "missing"}`);
}

export function constant(cx: Reading, node: OnnxNode, i: number): Constant | undefined {
  return cx.constants.get(node.inputs[i] ?? "");
}

/** A list of whole numbers, from an input (newer opsets) or an attribute (older). */
export function listOf(cx: Reading, node: OnnxNode, i: number, name: string): readonly number[] | undefined {
  const given = node.inputs[i] ? constant(cx, node, i) : undefined;
  if (node.inputs[i] && !given) refuse(`\`${name}\` is computed while the net runs`);
  return given ? numbersOf(given.data) : ints(node, name);
}

/** Sizes of the draft's value, without the batch. */
export const draftDims = (cx: Reading, value: string): readonly number[] => dimsIn(cx.draft, value);

/** The value with the sizes that the file gives it. */
export const settle = (cx: Reading, seen: Seen, label: string): string => settled(cx.draft, ordered(seen), seen.by ?? label);

export interface Layer {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attrs?: Readonly<Record<string, unknown>>;
  /** Values by role, with the file's name for them. */
  readonly tensors?: Readonly<Record<string, { readonly data: TensorValues; readonly name?: string | undefined }>>;
}

/** Adds a layer called after the node. */
export function layer(cx: Reading, node: OnnxNode, { op, inputs, attrs = {}, tensors = {} }: Layer): string {
  const value = added(
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
  cx.seen.set(node.outputs[0] ?? "", { value, dims, by: sameDims(dims, draftDims(cx, value)) ? undefined : labelOf(node) });
}

/** The data as `make` changes it; `how` says which change that is. */
export function changed(cx: Reading, data: Values, how: string, make: () => TensorValues): TensorValues {
  const known = cx.changed.get(data) ?? new Map<string, TensorValues>();
  cx.changed.set(data, known);
  const result = known.get(how) ?? make();
  known.set(how, result);
  return result;
}

/** A constant as the values of a tensor of `count` elements. */
export function tensor(cx: Reading, node: OnnxNode, i: number, count: number): { data: TensorValues; name: string } {
  const name = node.inputs[i] ?? "";
  const c = cx.constants.get(name) ?? refuse(`${calledIn(cx, name)} is no constant`);
  if (c.data.length !== count) refuse(`${calledIn(cx, name)} has ${c.data.length} values; ${count} are wanted`);
  const { data } = c;
  return { data: data instanceof Float64Array ? changed(cx, data, "f32", () => Float32Array.from(data)) : data, name: c.name ?? name };
}

/** A pixel that was laid out channels last: [1, 1, C] of [C, 1, 1]. Its elements are in the same order either way. */
export function isPixel(cx: Reading, { value, dims, perm, row }: Seen): boolean {
  const have = draftDims(cx, value);
  return (
    !perm && !row && dims.length === 3 && dims[0] === 1 && dims[1] === 1 && have.length === 3 && sameDims(have, [dims[2] as number, 1, 1])
  );
}

/** Sizes in the order that the file sees. */
export const fileDims = ({ dims, perm }: Seen): readonly number[] => (perm ? perm.slice(1).map((p) => dims[p - 1] as number) : dims);

/** `give` for what leaves the order of axes as it came. */
export function giveLike(cx: Reading, node: OnnxNode, value: string, { dims, perm, row, by }: Seen): undefined {
  give(cx, node, value, dims);
  const out = node.outputs[0] ?? "";
  const seen = cx.seen.get(out);
  if (seen) cx.seen.set(out, { ...seen, perm, row, by: seen.by && (by ?? seen.by) });
}

/** The one reader of a node's output, when it has that op and nothing else needs the value. */
export function onlyReader(cx: Reading, node: OnnxNode, op: string): OnnxNode | undefined {
  const name = node.outputs[0] ?? "";
  const [reader, ...more] = cx.readers.get(name) ?? [];
  return reader && more.length === 0 && reader.op === op && !cx.outputs.has(name) ? reader : undefined;
}
