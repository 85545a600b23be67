/** Nodes that compute the same thing become one: two global pools of one value, the same convolution applied twice. */
import type { Attrs, Node, Value } from "../../ir/graph.ts";
import { defineGraphPass } from "../pass.ts";
import { rewriteGraph } from "./rewrite.ts";

/** Exact in floating point when the operands are exchanged. */
const COMMUTATIVE: ReadonlySet<string> = new Set(["add", "mul"]);
/** Different draws while training. */
const RANDOM: ReadonlySet<string> = new Set(["dropout", "droppath"]);

const attrsKey = (attrs: Attrs): string =>
  JSON.stringify(
    Object.keys(attrs)
      .sort()
      .map((k) => [k, attrs[k]]),
  );

function keyOf(node: Node): string {
  const ids = node.inputs.map((v) => v.id);
  if (COMMUTATIVE.has(node.op) && ids.length === 2) ids.sort((a, b) => a - b);
  const own = Object.keys(node.weights)
    .sort()
    .map((k) => `${k}=${node.weights[k]?.id}`);
  return `${node.op}(${ids.join()}; ${own.join()})${attrsKey(node.attrs)}`;
}

export const mergeDuplicates = defineGraphPass({
  name: "merge-duplicates",
  summary: "make one node of nodes that compute the same",
  minLevel: 1,
  run(graph, { training }) {
    const first = new Map<string, Value>();
    return rewriteGraph(graph, (node, edit) => {
      if (training && RANDOM.has(node.op)) return node;
      const key = keyOf(node);
      const known = first.get(key);
      if (known === undefined) {
        first.set(key, node.output);
        return node;
      }
      // two outputs keep a value each, so that a backend never has to write one buffer under two names
      if (edit.isOutput(node.output)) return node;
      edit.forward(node.output, known);
      return undefined;
    });
  },
});
