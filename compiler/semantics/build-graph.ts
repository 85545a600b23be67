/** From the expanded net to the typed graph: one node per layer and merge, one weight per tensor, in text order. */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { invariant, must } from "../invariant.ts";
import { type GraphBuilder, graphBuilder } from "../ir/build.ts";
import type { Graph, Value, Weight } from "../ir/graph.ts";
import { f32, numel } from "../ir/type.ts";
import { applyOp } from "../ops/apply.ts";
import { uniquePaths } from "./paths.ts";
import type { InsertMark, LayerNode, NetTree, TreeNode } from "./tree.ts";
import { evaluateTree, type Use } from "./tree-values.ts";

export interface GraphOptions {
  /** How weights start that no `init` clause speaks of; default "default". */
  readonly init?: "default" | "paper";
}

/**
 * The graph of a tree that expanded without errors (undefined if it did not). A residual becomes `add`, `act(kind)` the activation.
 * Paths of nodes are those of `uniquePaths`; a shared use has the path of the use. `num_batches_tracked` is among the weights.
 */
export function buildGraph(tree: NetTree, diagnostics: Diagnostics, options: GraphOptions = {}): Graph | undefined {
  if (tree.broken || diagnostics.hasErrors) return undefined;
  const paths = uniquePaths(tree.root);
  const builder = graphBuilder(tree.name);
  const tensors = new Map<LayerNode, Readonly<Record<string, Value>>>();

  evaluateTree<Value>(tree.root, {
    input: (item) => builder.input(item.name, must(item.type, "type of an input")),
    layer(node, input, use) {
      const path = usePath(paths, node, use);
      const mark = markOf(node);
      const own = use ? must(tensors.get(node), "tensors of a shared layer") : undefined;
      const output = applyOp(
        marking(builder, node, path, (made) => !use && tensors.set(node, made)),
        node.op,
        [input],
        node.args,
        {
          path,
          origin: node.origin,
          ...(own ? { weights: own } : {}),
          init: startOf(node, options.init ?? "default"),
          ...(mark ? { mark: { inserted: { group: mark.group, policy: mark.policy } } } : {}),
        },
      );
      invariant(!("problem" in output), `${path} was checked before`);
      return output;
    },
    merge(node, branches, use, arriving) {
      const named = new Map(node.branches.map((b, i) => [b.name, branches[i] as Value]));
      const inputs = node.word === "residual" ? [must(named.get("main"), "main"), named.get("shortcut") ?? arriving] : branches;
      const op = node.word === "residual" ? "add" : node.word;
      const output = applyOp(builder, op, inputs, node.args, { path: usePath(paths, node, use), origin: node.origin });
      invariant(!("problem" in output), "the branches were checked before");
      return output;
    },
    unknown: () => builder.value(f32(), ""),
    output(item, value, use) {
      if (!use && tree.root.items.includes(item)) builder.output(item.name, value);
    },
  });
  return builder.finish();
}

/** Path of a node, inside a shared use below the path of the use. `paths` are those of `uniquePaths`. */
export function usePath(paths: ReadonlyMap<TreeNode, string>, node: TreeNode, use: Use | undefined): string {
  const own = must(paths.get(node), "path of a node");
  if (!use) return own;
  const prefix = `${must(paths.get(use.node.target), "path of a shared part")}.`;
  const at = usePath(paths, use.node, use.outer);
  return node === use.node.target ? at : `${at}.${own.startsWith(prefix) ? own.slice(prefix.length) : own}`;
}

/** The insertion a node belongs to: its own, or that of the inserted block around it. */
function markOf(node: TreeNode): InsertMark | undefined {
  for (let at: TreeNode | undefined = node; at; at = at.parent) if (at.inserted) return at.inserted;
  return undefined;
}

/** How weights start: as the `init` of the innermost `insert` or `replace` around them says; without such a clause as `other`. */
export function startOf(node: TreeNode, other: "default" | "paper"): "default" | "paper" {
  for (let at: TreeNode | undefined = node; at; at = at.parent) {
    const policy = at.init ?? (at.inserted && hasClause(at.inserted) ? at.inserted.policy : undefined);
    if (policy !== undefined) return policy === "paper" ? "paper" : "default";
    // an insertion without a clause is not inside the clause of what it was inserted into
    if (at.inserted) return other;
  }
  return other;
}

/** A mark without its edit was made by a program, which said what it wants. */
const hasClause = ({ edit }: InsertMark): boolean => edit === undefined || edit.init !== undefined;

/** A builder that puts the marks of `init preserve` on the tensors of one layer and tells which tensors it has. */
function marking(
  builder: GraphBuilder,
  node: LayerNode,
  path: string,
  done: (weights: Readonly<Record<string, Value>>) => void,
): GraphBuilder {
  return {
    ...builder,
    weight(spec, type) {
      const own = path === "" ? spec.path : spec.path.slice(path.length + 1);
      const preserve = node.preserve?.get(own);
      const init: Weight["init"] = node.zeroed && spec.trainable ? { kind: "constant", value: 0 } : spec.init;
      const given = node.given?.get(own);
      const fits = given !== undefined && given.data.length === numel(type.shape);
      return builder.weight(
        { ...spec, init, ...(preserve ? { preserve } : {}), ...(fits ? { path: given.name, given: given.data } : {}) },
        type,
      );
    },
    node(spec) {
      done(spec.weights);
      return builder.node(spec);
    },
  };
}
