/**
 * How graph passes edit: one walk in topological order that shares every node it does not touch,
 * and returns the graph it was given when nothing changed.
 */
import { invariant, must } from "../../invariant.ts";
import { nextId } from "../../ir/build.ts";
import type { Attrs, Graph, Node, Value, Weight } from "../../ir/graph.ts";
import { f32 } from "../../ir/type.ts";

export interface GraphEdit {
  /** What `value` has become: itself unless something was forwarded. */
  resolve(value: Value): Value;
  /** Every later reader of `from` (and the outputs) reads `to`. */
  forward(from: Value, to: Value): void;
  /** The kept node that makes `value`, as it is now. */
  producer(value: Value): Node | undefined;
  /** Takes a node out that was kept before; nothing may read it any more. */
  drop(node: Node): void;
  /** The tensor behind a value, if it is one. */
  weightOf(value: Value): Weight | undefined;
  /** The node's own tensor of that name. */
  ownWeight(node: Node, name: string): Weight;
  /** A new f32 tensor computed by `recipe` from others. `path` is made unique. */
  derive(path: string, shape: readonly number[], recipe: string, from: readonly Weight[], attrs?: Attrs): Weight;
  /** How many nodes and outputs read `value`, edits so far included. */
  readers(value: Value): number;
  isOutput(value: Value): boolean;
}

/**
 * Calls `visit` on every node with its inputs already resolved. `visit` returns the node to keep (itself or a replacement), or undefined
 * after it has forwarded the node's output.
 */
export function rewriteGraph(graph: Graph, visit: (node: Node, edit: GraphEdit) => Node | undefined): Graph {
  const forwarded = new Map<Value, Value>();
  const kept = new Map<Value, Node>();
  const weights = new Map<Value, Weight>(graph.weights.map((w) => [w.value, w]));
  const paths = new Set(graph.weights.map((w) => w.path));
  const added: Weight[] = [];
  const readers = readerCounts(graph);
  const outputs = new Set(graph.outputs.map((o) => o.value));
  const bump = (v: Value, by: number): void => {
    readers.set(v, (readers.get(v) ?? 0) + by);
  };
  let id = nextId(graph);

  const edit: GraphEdit = {
    resolve(value) {
      let v = value;
      for (let next = forwarded.get(v); next; next = forwarded.get(v)) v = next;
      return v;
    },
    forward(from, to) {
      invariant(from !== to, `${from.name} is forwarded to itself`);
      forwarded.set(from, to);
      bump(to, readers.get(from) ?? 0);
      if (outputs.has(from)) outputs.add(to);
    },
    producer: (value) => kept.get(value),
    drop(node) {
      invariant(kept.get(node.output) === node, `${node.path} is not a kept node`);
      kept.delete(node.output);
      for (const v of node.inputs) bump(v, -1);
    },
    weightOf: (value) => weights.get(value),
    ownWeight: (node, name) => must(weights.get(must(node.weights[name], `${node.path}.${name}`)), `tensor ${node.path}.${name}`),
    derive(wanted, shape, recipe, from, attrs = {}) {
      let path = wanted;
      for (let i = 2; paths.has(path); i++) path = `${wanted}~${i}`;
      paths.add(path);
      const weight: Weight = {
        value: { id: id++, type: f32(...shape), name: path },
        path,
        trainable: false,
        init: { kind: "derived", recipe, from, attrs },
      };
      weights.set(weight.value, weight);
      added.push(weight);
      return weight;
    },
    readers: (value) => readers.get(value) ?? 0,
    isOutput: (value) => outputs.has(value),
  };

  let same = true;
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(edit.resolve);
    const resolved = inputs.every((v, i) => v === node.inputs[i]) ? node : { ...node, inputs };
    const next = visit(resolved, edit);
    if (next !== node) same = false;
    if (next !== resolved) {
      for (const v of resolved.inputs) bump(v, -1);
      for (const v of next?.inputs ?? []) bump(v, 1);
    }
    if (next) kept.set(next.output, next);
    else invariant(forwarded.has(node.output), `${node.path} was taken out without a value in its place`);
  }
  if (same && added.length === 0) return graph;
  return {
    ...graph,
    outputs: graph.outputs.map((o) => {
      const value = edit.resolve(o.value);
      return value === o.value ? o : { ...o, value };
    }),
    weights: added.length ? [...graph.weights, ...added] : graph.weights,
    nodes: [...kept.values()],
  };
}

/** Nodes and outputs that read each value; a node that reads it twice counts twice. */
export function readerCounts(graph: Graph): Map<Value, number> {
  const counts = new Map<Value, number>();
  const count = (v: Value): void => {
    counts.set(v, (counts.get(v) ?? 0) + 1);
  };
  for (const n of graph.nodes) n.inputs.forEach(count);
  for (const o of graph.outputs) count(o.value);
  return counts;
}
