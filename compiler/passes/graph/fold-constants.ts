/** Nodes that read tensors only become derived tensors: their op's reference computes them when the weights are packed. */
import { must } from "../../invariant.ts";
import type { Weight } from "../../ir/graph.ts";
import { defineGraphPass } from "../pass.ts";
import { rewriteGraph } from "./rewrite.ts";

export const foldConstants = defineGraphPass({
  name: "fold-constants",
  summary: "compute nodes whose inputs are all tensors at compile time",
  minLevel: 1,
  run(graph, { training }) {
    // a trainer must see the computation, or the gradient would stop at its result
    if (training) return graph;
    return rewriteGraph(graph, (node, edit) => {
      const inputs = node.inputs.map(edit.weightOf);
      if (inputs.length === 0 || !inputs.every((w): w is Weight => w !== undefined)) return node;
      if (edit.isOutput(node.output)) return node;
      const own = Object.keys(node.weights);
      const from = [...inputs, ...own.map((name) => must(edit.weightOf(node.weights[name]!), `${node.path}.${name}`))];
      const shape = node.output.type.shape as readonly number[];
      const attrs = { op: node.op, inputs: inputs.length, own, attrs: node.attrs };
      edit.forward(node.output, edit.derive(node.path, shape, "op", from, attrs).value);
      return undefined;
    });
  },
});
