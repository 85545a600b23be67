/** Takes out what no output needs: nodes, and derived tensors. The state dict itself stays whole, it is the net's contract with files. */
import type { Graph, Value, Weight } from "../../ir/graph.ts";
import { defineGraphPass } from "../pass.ts";

export const eliminateDeadNodes = defineGraphPass({
  name: "eliminate-dead-nodes",
  summary: "take out nodes and derived tensors that no output needs",
  minLevel: 1,
  run(graph): Graph {
    const needed = new Set<Value>(graph.outputs.map((o) => o.value));
    for (const node of graph.nodes.toReversed())
      if (needed.has(node.output)) {
        for (const v of node.inputs) needed.add(v);
        for (const v of Object.values(node.weights)) needed.add(v);
      }
    const nodes = graph.nodes.filter((n) => needed.has(n.output));
    const need = (w: Weight): void => {
      if (w.init.kind !== "derived") return;
      for (const source of w.init.from) {
        needed.add(source.value);
        need(source);
      }
    };
    for (const w of graph.weights) if (needed.has(w.value)) need(w);
    const weights = graph.weights.filter((w) => w.init.kind !== "derived" || needed.has(w.value));
    if (nodes.length === graph.nodes.length && weights.length === graph.weights.length) return graph;
    return { ...graph, nodes, weights };
  },
});
