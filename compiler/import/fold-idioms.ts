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

function named(find: Finder, node: ImportedNode): { op: string; input: string } | undefined {
  if (node.op === "times" && near(node.attrs.k, 1 / 6)) {
    const from = node.inputs[0] as string;
    const gate = hardStep(find, from);
    if (gate !== undefined) return { op: "hsigmoid6", input: gate };
    const product = find.only(from);
    if (product?.op !== "mul") return undefined;
    for (const [x, g] of orders(product)) if (hardStep(find, g) === x) return { op: "hswish", input: x };
  }
  if (node.op !== "mul") return undefined;
  for (const [x, g] of orders(node)) {
    const gate = find.only(g);
    if (gate?.op === "hsigmoid6" && gate.inputs[0] === x) return { op: "hswish", input: x };
    if (gate?.op === "sigmoid" && gate.inputs[0] === x) return { op: "silu", input: x };
    const inner = gate?.op === "tanh" ? find.only(gate.inputs[0] as string) : undefined;
    if (inner?.op === "softplus" && inner.inputs[0] === x) return { op: "mish", input: x };
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
  for (const node of net.nodes) {
    const found = named(find, node);
    if (!found) continue;
    nodes.set(node.output, { ...node, op: found.op, inputs: [found.input], attrs: {} });
    readers.set(found.input, (readers.get(found.input) ?? 0) + 1);
  }
  const needed = new Set(net.outputs.map((o) => o.value));
  for (const node of [...nodes.values()].reverse()) if (needed.has(node.output)) for (const v of node.inputs) needed.add(v);
  return { ...net, nodes: [...nodes.values()].filter((n) => needed.has(n.output)) };
}
