/** Activations that exporters write out in several nodes, as the one layer that they are. */
import type { ImportedNet, ImportedNode } from "./imported.ts";

interface Finder {
  /** The node that makes a value, when nothing else reads it. */
  only(value: string): ImportedNode | undefined;
  maker(value: string): ImportedNode | undefined;
}

const near = (x: unknown, y: number): boolean => typeof x === "number" && Math.abs(x - y) <= 1e-6 * Math.abs(y);

/** relu6(x + 3): what it is of. */
function hardStep(find: Finder, value: string): string | undefined {
  const step = find.only(value);
  const sum = step?.op === "relu6" ? find.only(step.inputs[0] as string) : undefined;
  return sum?.op === "plus" && sum.attrs.k === 3 ? sum.inputs[0] : undefined;
}

/** Both orders of a product of two values. */
const orders = (node: ImportedNode): readonly (readonly [string, string])[] => {
  const [a, b] = node.inputs as [string, string];
  return node.inputs.length === 2
    ? [
        [a, b],
        [b, a],
      ]
    : [];
};

type Named = Pick<ImportedNode, "op" | "attrs" | "tensors"> & { readonly input: string };
const plainly = (op: string, input: string): Named => ({ op, input, attrs: {}, tensors: {} });
const epsOf = (eps: unknown): Readonly<Record<string, unknown>> => (eps === 1e-5 ? {} : { eps });

/** (x - mean x) / sqrt(var x + eps) over the channels, where `d` is the difference. */
function layerNorm(find: Finder, d: string, scale: string): Named | undefined {
  const by = (value: string | undefined, op: string): ImportedNode | undefined => {
    const node = value === undefined ? undefined : find.only(value);
    return node?.op === op ? node : undefined;
  };
  const sum = by(by(scale, "rsqrt")?.inputs[0], "plus");
  const square = by(by(sum?.inputs[0], "chanmean")?.inputs[0], "square");
  const difference = find.maker(d);
  if (square?.inputs[0] !== d || difference?.op !== "add" || difference.inputs.length !== 2) return undefined;
  for (const [x, m] of orders(difference)) {
    const minus = by(m, "times");
    const mean = by(minus?.inputs[0], "chanmean");
    if (minus?.attrs.k === -1 && mean?.inputs[0] === x) return { ...plainly("ln", x), attrs: { ...epsOf(sum?.attrs.k), affine: false } };
  }
  return undefined;
}

/** A norm without weights, and what scales and shifts its channels. */
function scaledNorm(find: Finder, node: ImportedNode): Named | undefined {
  const norm = node.attrs.bias === false ? undefined : find.only(node.inputs[0] as string);
  if (!norm || !["ln", "gn"].includes(norm.op) || norm.attrs.affine !== false) return undefined;
  const { affine: _, ...attrs } = norm.attrs;
  return { op: norm.op, input: norm.inputs[0] as string, attrs, tensors: node.tensors };
}

function named(find: Finder, node: ImportedNode): Named | undefined {
  if (node.op === "affine") return scaledNorm(find, node);
  if (node.op === "recip") {
    const root = find.only(node.inputs[0] as string);
    return root?.op === "sqrt" ? plainly("rsqrt", root.inputs[0] as string) : undefined;
  }
  if (node.op === "times" && near(node.attrs.k, 1 / 6)) {
    const from = node.inputs[0] as string;
    const gate = hardStep(find, from);
    if (gate !== undefined) return plainly("hsigmoid6", gate);
    const product = find.only(from);
    if (product?.op !== "mul") return undefined;
    for (const [x, g] of orders(product)) if (hardStep(find, g) === x) return plainly("hswish", x);
  }
  if (node.op !== "mul") return undefined;
  for (const [x, g] of orders(node)) {
    const gate = find.only(g);
    if (gate?.op === "hsigmoid6" && gate.inputs[0] === x) return plainly("hswish", x);
    const scaled = find.only(x);
    const sixth = scaled?.op === "times" && near(scaled.attrs.k, 1 / 6) ? scaled.inputs[0] : undefined;
    if (sixth !== undefined && hardStep(find, g) === sixth) return plainly("hswish", sixth);
    if (gate?.op === "sigmoid" && gate.inputs[0] === x) return plainly("silu", x);
    const inner = gate?.op === "tanh" ? find.only(gate.inputs[0] as string) : undefined;
    if (inner?.op === "softplus" && inner.inputs[0] === x) return plainly("mish", x);
    const norm = layerNorm(find, x, g);
    if (norm) return norm;
  }
  return undefined;
}

interface ConcatPrefix {
  readonly next: Map<string, ConcatPrefix>;
  value?: string;
}

/** Concatenations that begin with all of an earlier one, as in a DenseNet, begin with its result. */
function continued(nodes: readonly ImportedNode[]): readonly ImportedNode[] {
  const roots = new Map<string, ConcatPrefix>();
  return nodes.map((node) => {
    if (node.op !== "concat") return node;
    const axis = JSON.stringify(node.attrs);
    let at: ConcatPrefix = roots.get(axis) ?? { next: new Map() };
    roots.set(axis, at);
    let inputs: readonly string[] = node.inputs;
    for (const [i, input] of node.inputs.entries()) {
      const next: ConcatPrefix = at.next.get(input) ?? { next: new Map() };
      at.next.set(input, next);
      at = next;
      if (at.value !== undefined && i < node.inputs.length - 1) inputs = [at.value, ...node.inputs.slice(i + 1)];
    }
    at.value ??= node.output;
    return inputs === node.inputs ? node : { ...node, inputs };
  });
}

/** Shared by all readers of foreign formats. */
export function foldIdioms(net: ImportedNet): ImportedNet {
  const nodes = new Map(continued(net.nodes).map((n) => [n.output, n]));
  const readers = new Map<string, number>();
  for (const v of [...[...nodes.values()].flatMap((n) => n.inputs), ...net.outputs.map((o) => o.value)])
    readers.set(v, (readers.get(v) ?? 0) + 1);
  const find: Finder = {
    maker: (value) => nodes.get(value),
    only: (value) => ((readers.get(value) ?? 0) === 1 ? nodes.get(value) : undefined),
  };
  /** One reader fewer; what nothing reads any more reads nothing itself. */
  const release = (value: string): void => {
    const left = (readers.get(value) ?? 0) - 1;
    readers.set(value, left);
    if (left === 0) for (const v of nodes.get(value)?.inputs ?? []) release(v);
  };
  for (const node of net.nodes) {
    const found = named(find, node);
    if (!found) continue;
    const { input, ...layer } = found;
    nodes.set(node.output, { ...node, ...layer, inputs: [input] });
    readers.set(input, (readers.get(input) ?? 0) + 1);
    for (const v of node.inputs) release(v);
  }
  const needed = new Set(net.outputs.map((o) => o.value));
  for (const node of [...nodes.values()].reverse()) if (needed.has(node.output)) for (const v of node.inputs) needed.add(v);
  return { ...net, nodes: [...nodes.values()].filter((n) => needed.has(n.output)) };
}
