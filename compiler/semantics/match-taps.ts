/** Values inside a net as further outputs (`sec run --tap`): from a selector to values of the graph. */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import type { Graph, Output } from "../ir/graph.ts";
import type { Selector } from "../syntax/ast.ts";
import { usePath } from "./build-graph.ts";
import { type Env, evaluate } from "./evaluate.ts";
import { matchSelector } from "./match-selector.ts";
import { uniquePaths } from "./paths.ts";
import type { NetTree, TreeNode } from "./tree.ts";
import { evaluateTree } from "./tree-values.ts";

/**
 * One output per match, named by its path, with the value the match itself gives (before what an edit put after it).
 * Reports SE308 for predicates; an empty list when nothing matches. `graph` must be `buildGraph` of this tree.
 */
export function matchTaps(tree: NetTree, selector: Selector, graph: Graph, diagnostics: Diagnostics): Output[] {
  const paths = uniquePaths(tree.root);
  const made = new Map<TreeNode, string>();
  evaluateTree<string>(tree.root, {
    input: (item) => item.name,
    layer: (node, _input, use) => usePath(paths, node, use),
    merge: (node, _branches, use) => usePath(paths, node, use),
    unknown: () => "",
    leave(node, value, use) {
      if (!use) made.set(node, value);
    },
  });
  const values = new Map(graph.inputs.map((v) => [v.name, v]));
  for (const node of graph.nodes) values.set(node.path, node.output);
  const report: Env["report"] = (message, place, extra) => diagnostics.report(message, place, extra);
  const env: Env = { scope: tree.scope, arriving: null, here: null, report };
  const matches = matchSelector(tree.root, selector, { report, evaluate: (expr) => evaluate(expr, env) });
  return (matches ?? []).flatMap((node) => {
    const value = values.get(made.get(node) ?? "");
    return value ? [{ name: paths.get(node) ?? "", value }] : [];
  });
}
