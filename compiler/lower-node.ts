/** The kernels of one node, with the batch size bound: what lowering does between ops and Program. */
import { nextId } from "./ir/build.ts";
import type { Graph, Node, Value } from "./ir/graph.ts";
import type { Kernel } from "./ir/kernel.ts";
import { opOf } from "./ops/index.ts";

/** Makes values; the same unbound value always gives the same bound one. */
export interface Binder {
  readonly bind: (v: Value) => Value;
  readonly temp: (name: string, shape: readonly number[]) => Value;
}

export function binder(graph: Graph, batch: number): Binder {
  let id = nextId(graph);
  const bound = new Map<Value, Value>();
  return {
    bind(v) {
      if (v.type.shape.every((d) => typeof d === "number")) return v;
      const known = bound.get(v);
      if (known) return known;
      const made: Value = { ...v, type: { ...v.type, shape: v.type.shape.map((d) => (typeof d === "number" ? d : batch)) } };
      bound.set(v, made);
      return made;
    },
    temp: (name, shape) => ({ id: id++, type: { dtype: "f32", shape }, name }),
  };
}

/** Kernels of one node as its op writes them, with provenance. */
export function lowerNode(node: Node, { bind, temp }: Binder): readonly Kernel[] {
  const kernels = opOf(node.op).lower({
    name: node.path,
    inputs: node.inputs.map(bind),
    output: bind(node.output),
    weights: node.weights,
    attrs: node.attrs as never,
    temp: (shape) => temp(node.path, shape),
  });
  return kernels.map((k) => ({ ...k, from: [node] }));
}
