/**
 * `init preserve`, step 2 (language.md section 10): which neighbouring layer can be multiplied by 1/k so that the factor k of
 * an inserted block disappears. Backward into what makes the value, or forward into what reads the result; on the way only
 * layers f with f(c x) = c f(x) for every power of two c > 0, and only values that nobody else reads.
 */
import { must } from "../invariant.ts";
import { isPowerOfTwo } from "./preserve-block.ts";
import { type Flow, type Step, tensorNames } from "./preserve-flow.ts";
import { type LayerNode, pathOf, typeName } from "./tree.ts";

/** Tensors of one layer, by own name, that take the factor. */
export interface Absorber {
  readonly layer: LayerNode;
  readonly tensors: readonly string[];
}

export type Absorption = { readonly ok: true; readonly absorbers: readonly Absorber[] } | { readonly ok: false; readonly reason: string };

/** A run of steps that stands for one reader: an inserted block, or several that follow one another directly. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Layers with a scale per output channel. */
const SCALES: ReadonlySet<string> = new Set(["bn", "conv", "deconv", "linear", "affine", "ln", "gn"]);
/** Layers that are linear in what they read once their weight is scaled. */
const MATRICES: ReadonlySet<string> = new Set(["conv", "deconv", "linear"]);
const COMMUTES: ReadonlySet<string> = new Set(
  `relu leaky_relu prelu maxpool maxpool_to avgpool avgpool_to gap gmp upsample identity dropout droppath abs
   pixelshuffle pixelunshuffle chanshuffle slice flatten reshape swaphw`.split(/\s+/),
);
/** Of these every branch has to take the factor. */
const JOINS: ReadonlySet<string> = new Set(["add", "residual", "concat"]);

const refuse = (reason: string): Absorption => ({ ok: false, reason });

function commutes(step: Step): boolean {
  if (COMMUTES.has(step.what)) return true;
  if (step.what !== "pad" || step.node?.kind !== "layer") return false;
  return step.node.args.mode !== "constant" || step.node.args.value === 0;
}

/** "`relu` at layer1.0.2", the input `image`; the result of an inserted block by the block's name. */
function stepText(flow: Flow, step: Step): string {
  const blocks = flow.regions.filter((r) => r.result === step && step.id >= r.start);
  const block = blocks.sort((a, b) => b.end - b.start - (a.end - a.start))[0]?.node;
  const node = block ?? step.node;
  if (!node) return `the input \`${step.name ?? ""}\``;
  return `\`${typeName(node) ?? step.what}\` at ${pathOf(node)}`;
}

function readersText(step: Step): string {
  const names = [...new Set(step.readers.map((r) => (r.node ? pathOf(r.node) : (r.name ?? ""))))];
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")}, ...`;
}

/** Why somebody else than the steps of `reader` sees this value; undefined when nobody does. */
function otherReader(flow: Flow, value: Step, reader: Range): string | undefined {
  if (value.outputs > 0) return `the result of ${stepText(flow, value)} is an output of the net`;
  if (value.readers.every((r) => r.id >= reader.start && r.id < reader.end)) return undefined;
  return `the result of ${stepText(flow, value)} has other readers (${readersText(value)})`;
}

/** Lets what makes `value` give `1/k` times as much; `reader` is who gets it. */
export function absorbBackward(flow: Flow, value: Step, reader: Range): Absorption {
  const other = otherReader(flow, value, reader);
  if (other !== undefined) return refuse(other);
  const { node } = value;
  if (!node) return refuse(`${stepText(flow, value)} has no layer before it that could take the factor`);
  if (node.kind === "layer" && SCALES.has(node.op)) {
    const tensors = tensorNames(value).filter((name) => name === "weight" || name === "bias");
    if (tensors.includes("weight")) return takes(flow, value, node, tensors);
    return refuse(`${stepText(flow, value)} has no weight that could take the factor`);
  }
  const self: Range = { start: value.id, end: value.id + 1 };
  if (JOINS.has(value.what)) {
    const absorbers: Absorber[] = [];
    for (const input of value.inputs) {
      const side = input.readers.length > 1 ? refuse(manyReaders(flow, input)) : absorbBackward(flow, input, self);
      if (!side.ok) return side;
      absorbers.push(...side.absorbers);
    }
    return { ok: true, absorbers };
  }
  if (commutes(value)) return absorbBackward(flow, must(value.inputs[0], "input"), self);
  return refuse(`${stepText(flow, value)} does not commute with a factor`);
}

const manyReaders = (flow: Flow, value: Step): string =>
  `the result of ${stepText(flow, value)} is read ${value.readers.length} times (${readersText(value)})`;

/** Lets the one layer that reads `value` multiply by 1/k. */
export function absorbForward(flow: Flow, value: Step): Absorption {
  if (value.outputs > 0) return refuse(`the result of ${stepText(flow, value)} is an output of the net`);
  if (value.readers.length !== 1)
    return refuse(value.readers.length === 0 ? `nothing reads the result of ${stepText(flow, value)}` : manyReaders(flow, value));
  const reader = must(value.readers[0], "reader");
  const { node } = reader;
  if (node?.kind === "layer" && MATRICES.has(node.op)) return takes(flow, reader, node, ["weight"]);
  if (commutes(reader)) return absorbForward(flow, reader);
  return refuse(`${stepText(flow, reader)} cannot take the factor`);
}

function takes(flow: Flow, step: Step, layer: LayerNode, tensors: readonly string[]): Absorption {
  if (flow.uses.get(layer) !== 1) return refuse(`the weights of ${stepText(flow, step)} are used more than once`);
  return { ok: true, absorbers: [{ layer, tensors }] };
}

/** Whether 1/k is a number a tensor can be multiplied by exactly. */
export const isUsableFactor = (factor: number): boolean => isPowerOfTwo(factor) && factor <= 2 ** 64;
