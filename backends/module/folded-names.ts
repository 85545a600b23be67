/** Names of folded tensors in a module: those of the layer that reads them, under which `layers.js` looks for them. */
import type { Graph, Node, Value, Weight } from "../../compiler/ir/graph.ts";

/**
 * The graph with every derived tensor (a filter with its norm folded in) called after the first layer that reads it. Tensors of the state
 * dict keep their paths: `variables` promises them.
 */
export function nameFolded(graph: Graph): Graph {
  const taken = new Set(graph.weights.filter((w) => w.init.kind !== "derived").map((w) => w.path));
  const derived = new Set(graph.weights.filter((w) => w.init.kind === "derived").map((w) => w.value));
  if (derived.size === 0) return graph;
  const used = new Set([...graph.nodes.flatMap((n) => [...Object.values(n.weights), ...n.inputs]), ...graph.outputs.map((o) => o.value)]);
  // a tensor that only the folding reads is not in the module: its name is free
  for (const w of graph.weights) if (!used.has(w.value)) taken.delete(w.path);
  const renamed = new Map<Value, Value>();
  for (const node of graph.nodes) {
    const folded = Object.entries(node.weights).filter(([, v]) => derived.has(v) && !renamed.has(v));
    let layer = node.path;
    while (folded.some(([name]) => taken.has(`${layer}.${name}`))) layer = `${layer}.folded`;
    for (const [name, value] of folded) {
      taken.add(`${layer}.${name}`);
      renamed.set(value, { ...value, name: `${layer}.${name}` });
    }
  }
  const now = (v: Value): Value => renamed.get(v) ?? v;
  const weights = graph.weights.map((w): Weight => {
    const value = now(w.value);
    return value === w.value ? w : { ...w, value, path: value.name };
  });
  const nodes = graph.nodes.map(
    (n): Node => ({ ...n, inputs: n.inputs.map(now), weights: Object.fromEntries(Object.entries(n.weights).map(([k, v]) => [k, now(v)])) }),
  );
  return { ...graph, nodes, weights, outputs: graph.outputs.map((o) => ({ ...o, value: now(o.value) })) };
}
