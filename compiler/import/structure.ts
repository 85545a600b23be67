/**
 * Modules of an imported net: which values meet again is read off the dominator tree, so that a sum becomes a `residual` with its branches,
 * a product a gate, and a squeeze with an excitation an `se`. What cannot be nested stays flat and is joined with `from`.
 */
import { must } from "../invariant.ts";
import { f32, type TensorType } from "../ir/type.ts";
import { opOf } from "../ops/index.ts";
import { isProblem } from "../ops/op.ts";
import { completeAttributes } from "../ops/read-attributes.ts";
import type { ImportedNet, ImportedNode } from "./imported.ts";
import type { NodePlace } from "./places.ts";

/** Where the two matrices of a squeeze lie in its module. */
export interface OwnNames {
  readonly fc1: NodePlace;
  readonly fc2: NodePlace;
}

export type Item =
  | { readonly kind: "layer"; readonly node: ImportedNode }
  | { readonly kind: "merge"; readonly node: ImportedNode; readonly word: string; readonly branches: readonly Branch[] }
  | { readonly kind: "se"; readonly node: ImportedNode; readonly se: SqueezeExcite; readonly names?: OwnNames }
  /** An earlier value, or an input, becomes the current one. */
  | { readonly kind: "from"; readonly value: string }
  | { readonly kind: "output"; readonly name: string };

export interface Branch {
  readonly name: string;
  readonly items: readonly Item[];
}

export interface SqueezeExcite {
  readonly hidden: number;
  readonly bias: boolean;
  readonly act: string;
  readonly gate: string;
  readonly fc1: ImportedNode;
  readonly fc2: ImportedNode;
  /** From the pool to the gate, as the file has them. */
  readonly scale: readonly Item[];
}

/** Work on one net's branches, so that a strange file costs no quadratic time. */
const LARGEST_SEARCH = 4_000_000;

/** Merges within merges; far above what nets have, far below the stack. */
const DEEPEST = 500;

/** The net's values are joined more deeply than can be written down. */
export class TooDeep extends Error {}

interface Shape {
  readonly nodes: ReadonlyMap<string, ImportedNode>;
  readonly types: ReadonlyMap<string, TensorType>;
  /** The nearest value that every way to a value passes; undefined at inputs. */
  readonly dominator: ReadonlyMap<string, string | undefined>;
  readonly depth: ReadonlyMap<string, number>;
  /** Values of layers that are used again. */
  readonly tied: ReadonlySet<string>;
  readonly emitted: Set<string>;
  readonly budget: { left: number };
}

/** The body of the net: what a person would have written, as far as that can be seen. */
export function structureOf(net: ImportedNet): readonly Item[] {
  const shape = shapeOf(net);
  const body: Item[] = [];
  const [only, ...others] = net.inputs;
  let current = others.length === 0 ? only?.name : undefined;
  for (const input of net.inputs) shape.emitted.add(input.name);
  for (const output of net.outputs) {
    build(shape, output.value, current, body);
    body.push({ kind: "output", name: output.name });
    current = output.value;
  }
  return body;
}

function shapeOf(net: ImportedNet): Shape {
  const types = new Map<string, TensorType>(net.inputs.map((i) => [i.name, f32(...i.shape)]));
  const dominator = new Map<string, string | undefined>(net.inputs.map((i) => [i.name, undefined]));
  const depth = new Map<string, number>(net.inputs.map((i) => [i.name, 0]));
  const nodes = new Map<string, ImportedNode>();
  const meet = (a: string | undefined, b: string | undefined): string | undefined => {
    let [x, y] = [a, b];
    while (x !== y && x !== undefined && y !== undefined) {
      if ((depth.get(x) ?? 0) >= (depth.get(y) ?? 0)) x = dominator.get(x);
      else y = dominator.get(y);
    }
    return x === y ? x : undefined;
  };
  for (const node of net.nodes) {
    const inputs = node.inputs.map((v) => must(types.get(v), `type of ${v}`));
    const op = opOf(node.op);
    const type = op.infer(inputs, completeAttributes(op, node.attrs) as never);
    types.set(node.output, isProblem(type) ? f32() : type);
    const from = node.inputs.slice(1).reduce<string | undefined>(meet, node.inputs[0]);
    dominator.set(node.output, from);
    depth.set(node.output, (from === undefined ? 0 : (depth.get(from) ?? 0)) + 1);
    nodes.set(node.output, node);
  }
  return {
    nodes,
    types,
    dominator,
    depth,
    tied: new Set(net.nodes.flatMap((n) => n.same ?? [])),
    emitted: new Set(),
    budget: { left: LARGEST_SEARCH },
  };
}

/** Appends what makes `target` current when `entry` is; `entry` undefined: nothing is current yet. */
function build(shape: Shape, target: string, entry: string | undefined, body: Item[], level = 0): void {
  if (level > DEEPEST) throw new TooDeep();
  const spine: ImportedNode[] = [];
  let at = target;
  let joined: ImportedNode | undefined;
  while (at !== entry && !shape.emitted.has(at)) {
    const node = must(shape.nodes.get(at), `maker of ${at}`);
    const fork = node.inputs.length === 1 ? node.inputs[0] : forkOf(shape, node);
    if (fork === undefined) {
      joined = node;
      break;
    }
    spine.push(node);
    at = fork;
  }
  if (joined) join(shape, joined, entry, body, level);
  else if (at !== entry) body.push({ kind: "from", value: at });
  for (const node of spine.reverse()) {
    if (node.inputs.length === 1) body.push({ kind: "layer", node });
    else body.push(mergeItem(shape, node, must(shape.dominator.get(node.output), "fork"), level));
    shape.emitted.add(node.output);
  }
}

/** Values that do not come from one fork by ways of their own: each is made first, then all are fetched. */
function join(shape: Shape, node: ImportedNode, entry: string | undefined, body: Item[], level: number): void {
  let current = entry;
  for (const value of node.inputs) {
    if (shape.emitted.has(value)) continue;
    build(shape, value, current, body, level + 1);
    current = value;
  }
  if (current === undefined) {
    current = node.inputs[0] as string;
    body.push({ kind: "from", value: current });
  }
  const branches = node.inputs.map((value, i) => ({
    name: `b${i + 1}`,
    items: value === current ? [] : [{ kind: "from", value } as const],
  }));
  body.push({ kind: "merge", node, word: node.op, branches });
  shape.emitted.add(node.output);
}

/** Where the inputs of a merge come from, if they come by ways that share nothing. */
function forkOf(shape: Shape, node: ImportedNode): string | undefined {
  const fork = shape.dominator.get(node.output);
  return fork !== undefined && apart(shape, node.inputs, fork) ? fork : undefined;
}

/** Whether the ways from the fork to the inputs share no value: then they are branches. */
function apart(shape: Shape, inputs: readonly string[], fork: string): boolean {
  const owner = new Map<string, number>();
  for (const [i, start] of inputs.entries()) {
    const waiting = [start];
    while (waiting.length > 0) {
      const value = waiting.pop() as string;
      if (value === fork || owner.get(value) === i) continue;
      if (owner.has(value) || shape.emitted.has(value) || --shape.budget.left < 0) return false;
      owner.set(value, i);
      waiting.push(...(shape.nodes.get(value)?.inputs ?? []));
    }
  }
  return true;
}

function mergeItem(shape: Shape, node: ImportedNode, fork: string, level: number): Item {
  const lengths = node.inputs.map((v) => (v === fork ? 0 : lengthOf(shape, v, fork)));
  const bodies = node.inputs.map((value) => {
    const items: Item[] = [];
    build(shape, value, fork, items, level + 1);
    return items;
  });
  if (node.op === "add" && isResidual(shape, node, lengths)) {
    const main = (lengths[0] as number) > (lengths[1] as number) ? 0 : 1;
    const shortcut = bodies[1 - main] as Item[];
    const branches: Branch[] = [{ name: "main", items: bodies[main] as Item[] }];
    if (shortcut.length > 0) branches.push({ name: "shortcut", items: shortcut });
    return { kind: "merge", node, word: "residual", branches };
  }
  const empty = bodies.findIndex((b) => b.length === 0);
  if (node.op === "mul" && bodies.length === 2 && empty >= 0) {
    const scale = bodies[1 - empty] as Item[];
    const se = squeezeExcite(shape, scale, fork);
    if (se) return { kind: "se", node, se };
    const branches = [
      { name: "x", items: [] },
      { name: "scale", items: scale },
    ];
    return { kind: "merge", node, word: "mul", branches };
  }
  return { kind: "merge", node, word: node.op, branches: bodies.map((items, i) => ({ name: `b${i + 1}`, items })) };
}

function lengthOf(shape: Shape, from: string, fork: string): number {
  const seen = new Set<string>();
  const waiting = [from];
  while (waiting.length > 0) {
    const value = waiting.pop() as string;
    if (value === fork || seen.has(value)) continue;
    seen.add(value);
    waiting.push(...(shape.nodes.get(value)?.inputs ?? []));
  }
  return seen.size;
}

function isResidual(shape: Shape, node: ImportedNode, lengths: readonly number[]): boolean {
  const [a, b] = node.inputs.map((v) => shape.types.get(v)?.shape.join());
  return lengths.length === 2 && a === b && lengths[0] !== lengths[1];
}

const GATES = new Set(["sigmoid", "hsigmoid5", "hsigmoid6", "tanh", "relu6"]);
const ACTS = new Set(["relu", "relu6", "silu", "hswish", "leaky_relu", "elu", "mish", "gelu"]);

/** gap, two convolutions or matrices with an activation between, a gate. */
function squeezeExcite(shape: Shape, items: readonly Item[], fork: string): SqueezeExcite | undefined {
  const nodes = items.map((i) => (i.kind === "layer" ? i.node : undefined));
  const ops = nodes.map((n) => n?.op);
  const moved = ops[1] === "flatten" || ops[1] === "reshape";
  const core = nodes.filter((n) => n?.op !== "flatten" && n?.op !== "reshape");
  const [gap, fc1, act, fc2, gate] = core;
  if (core.length !== 5 || gap?.op !== "gap" || (gap.attrs.over ?? "hw") !== "hw" || !fc1 || !fc2 || !act || !gate) return undefined;
  if (!GATES.has(gate.op) || !ACTS.has(act.op) || fc1.op !== fc2.op) return undefined;
  if (Object.keys(gate.attrs).length > 0 || Object.keys(act.attrs).length > 0) return undefined;
  // `shared` names layers of the text, and those inside an `se` are none
  if ([fc1, fc2].some((n) => n.same !== undefined || shape.tied.has(n.output))) return undefined;
  const plain = (n: ImportedNode): boolean =>
    n.op === "linear"
      ? moved
      : n.op === "conv" && n.attrs.kernel === 1 && Object.keys(n.attrs).every((k) => ["out", "kernel", "bias"].includes(k));
  const channels = shape.types.get(fork)?.shape;
  if (!plain(fc1) || !plain(fc2) || channels?.length !== 4 || fc2.attrs.out !== channels[1]) return undefined;
  // from the arguments, not the tensors: a net may come without weights
  const biased = (n: ImportedNode): boolean => (n.op === "linear" ? n.attrs.bias !== false : n.attrs.bias === true);
  if (biased(fc1) !== biased(fc2)) return undefined;
  return { hidden: fc1.attrs.out as number, bias: biased(fc1), act: act.op, gate: gate.op, fc1, fc2, scale: items };
}
