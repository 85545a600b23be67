/**
 * Runs an expanded net over any kind of value: types (infer-types.ts), graph values (build-graph.ts), counts of readers
 * (check-uses.ts), abstract values of a proof. One place knows how values flow through branches, jumps, insertions and shared parts.
 */
import {
  type FromItem,
  hasBody,
  type InputItem,
  type Item,
  type LayerNode,
  type LevelNode,
  type MergeNode,
  type OutputItem,
  type SharedNode,
  type TreeNode,
} from "./tree.ts";

/** Inside a `shared` use: which one, innermost first when uses nest. */
export interface Use {
  readonly node: SharedNode;
  readonly outer: Use | undefined;
}

export interface Rules<V> {
  /** The value of an input of the outermost net. */
  input(item: InputItem): V;
  layer(node: LayerNode, input: V, use: Use | undefined): V;
  /** One value per branch; the value that arrives is in `arriving` (a residual without shortcut adds it). */
  merge(node: MergeNode, branches: readonly V[], use: Use | undefined, arriving: V): V;
  /** A jump whose target has no value (any more), or a layer before the first input. */
  unknown(item: FromItem | SharedNode | TreeNode | OutputItem): V;
  /** What a node reads, after `before`. */
  arrive?(node: TreeNode, value: V, use: Use | undefined): void;
  /** What a node gives, before `after`. */
  leave?(node: TreeNode, value: V, use: Use | undefined): void;
  /** An output item of any net, the outermost one included. */
  output?(item: OutputItem, value: V, use: Use | undefined): void;
  /** More than `limit` layers were evaluated, shared ones counted at every use; called once, then evaluation ends. */
  tooMany?(node: TreeNode): void;
}

type Key = TreeNode | InputItem | OutputItem;

interface Run<V> {
  readonly rules: Rules<V>;
  readonly limit: number;
  steps: number;
}

/** Values of one pass over one part; `shared` parts get a pass of their own. */
interface Pass<V> {
  readonly values: Map<Key, V>;
  readonly entries: Map<TreeNode, V>;
  readonly use: Use | undefined;
}

/** Evaluates from the inputs of `root`, in text order. */
export function evaluateTree<V>(root: LevelNode, rules: Rules<V>, limit = Number.POSITIVE_INFINITY): void {
  const run: Run<V> = { rules, limit, steps: 0 };
  body(run, { values: new Map(), entries: new Map(), use: undefined }, root, undefined);
}

/** Evaluates a `shared` use on a value that arrives: the insides of its target, wherever that stands. */
export function evaluateUse<V>(node: SharedNode, arriving: V, rules: Rules<V>): V {
  const run: Run<V> = { rules, limit: Number.POSITIVE_INFINITY, steps: 0 };
  return own(run, { values: new Map(), entries: new Map(), use: { node, outer: undefined } }, node.target, arriving);
}

/** A value that is there, or nothing before the first input. */
type Current<V> = { readonly value: V } | undefined;

function body<V>(run: Run<V>, pass: Pass<V>, node: TreeNode & { items: Item[] }, arriving: Current<V>): Current<V> {
  const isNet = node.kind === "level" && node.level === "net";
  let current = isNet ? undefined : arriving;
  let last: Current<V>;
  for (const item of node.items) {
    switch (item.kind) {
      case "from": {
        const target = item.target;
        current = jump(
          pass,
          target.kind === "node" ? target.node : target.kind === "entry" ? target.level : target.item,
          target.kind === "entry",
        );
        current ??= { value: run.rules.unknown(item) };
        break;
      }
      case "input":
        current = arriving ?? { value: run.rules.input(item) };
        pass.values.set(item, current.value);
        break;
      case "output":
        current ??= { value: run.rules.unknown(item) };
        pass.values.set(item, current.value);
        run.rules.output?.(item, current.value, pass.use);
        last = current;
        break;
      default:
        current = { value: chain(run, pass, item, (current ?? { value: run.rules.unknown(item) }).value) };
    }
  }
  return isNet ? last : current;
}

function jump<V>(pass: Pass<V>, key: Key, entry: boolean): Current<V> {
  const map: Map<Key, V> = entry ? (pass.entries as Map<Key, V>) : pass.values;
  return map.has(key) ? { value: map.get(key) as V } : undefined;
}

function chain<V>(run: Run<V>, pass: Pass<V>, node: TreeNode, arriving: V): V {
  let value = arriving;
  for (const n of node.before) value = chain(run, pass, n, value);
  value = inside(run, pass, node, value);
  for (const n of node.after) value = chain(run, pass, n, value);
  pass.values.set(node, value);
  return value;
}

function inside<V>(run: Run<V>, pass: Pass<V>, node: TreeNode, arriving: V): V {
  const { rules } = run;
  rules.arrive?.(node, arriving, pass.use);
  const value = own(run, pass, node, arriving);
  rules.leave?.(node, value, pass.use);
  return value;
}

function own<V>(run: Run<V>, pass: Pass<V>, node: TreeNode, arriving: V): V {
  const { rules } = run;
  run.steps++;
  if (run.steps > run.limit) {
    if (run.steps === run.limit + 1) rules.tooMany?.(node);
    return arriving;
  }
  switch (node.kind) {
    case "layer":
      return rules.layer(node, arriving, pass.use);
    case "shared": {
      const use: Use = { node, outer: pass.use };
      if (!pass.use && !pass.values.has(node.target)) return rules.unknown(node);
      return own(run, { values: new Map(), entries: new Map(), use }, node.target, arriving);
    }
    case "merge":
      return rules.merge(
        node,
        node.branches.map((b) => chain(run, pass, b, arriving)),
        pass.use,
        arriving,
      );
    default: {
      if (!hasBody(node)) return arriving;
      pass.entries.set(node, arriving);
      return (body(run, pass, node, { value: arriving }) ?? { value: rules.unknown(node) }).value;
    }
  }
}
