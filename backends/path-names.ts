/** Tensors under the paths of their layers, for targets whose text finds a layer's tensors by its path. */
import type { Graph, Value } from "../compiler/ir/graph.ts";

/** The same graph; tensors of a model file, which have names of their own, are called after the layer that reads them. */
export function pathNames(graph: Graph): Graph {
  const given = new Set(graph.weights.flatMap((w) => (w.given ? [w.value] : [])));
  if (given.size === 0) return graph;
  const renamed = new Map<Value, Value>();
  for (const node of graph.nodes) {
    for (const [role, value] of Object.entries(node.weights)) {
      if (given.has(value) && !renamed.has(value)) renamed.set(value, { ...value, name: `${node.path}.${role}` });
    }
  }
  const nodes = graph.nodes.map((n) => ({
    ...n,
    weights: Object.fromEntries(Object.entries(n.weights).map(([role, value]) => [role, renamed.get(value) ?? value])),
  }));
  const weights = graph.weights.map((w) => {
    const value = renamed.get(w.value);
    return value ? { ...w, value, path: value.name, fileName: w.path } : w;
  });
  return { ...graph, nodes, weights };
}
