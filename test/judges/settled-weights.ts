/**
 * Weights by hash, with the statistics of batch norms taken from what arrives there, as training would leave them, and then made uneven.
 * Statistics that do not fit the signal make deep nets chaotic: rounding errors grow a thousandfold, and no bound tells a bug from noise.
 */
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Tensor } from "../../compiler/ops/op.ts";
import { boundShape, rounded, runReference } from "../../compiler/reference/run.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import { hashedValues, hashedWeights } from "./hashed-values.ts";
import { readerOf } from "./whole-nets.ts";

interface Moments {
  readonly mean: number;
  readonly variance: number;
}

/** Over all elements: a channel of a map of one pixel has no variance of its own. */
function momentsOf({ data }: Tensor): Moments {
  const mean = data.reduce((a, v) => a + v, 0) / data.length;
  return { mean, variance: Math.max(data.reduce((a, v) => a + (v - mean) ** 2, 0) / data.length, 1e-6) };
}

export function settledReader(graph: Graph, inputs: Readonly<Record<string, Float32Array>>, batch: number): WeightReader {
  const hashed = rounded(readerOf(graph, hashedWeights(graph)));
  const norms = graph.nodes.filter((n) => n.op === "bn");
  const watched = new Set(norms.map((n) => n.inputs[0]?.id));
  /** Which value each pair of statistics describes; the first use of a shared norm. */
  const source = new Map<number, number>();
  for (const n of norms) {
    for (const name of ["running_mean", "running_var"]) {
      const id = n.weights[name]?.id as number;
      if (!source.has(id)) source.set(id, n.inputs[0]?.id as number);
    }
  }
  const seen = new Map<number, Moments>();
  const settled = new Map<string, Float32Array>();
  const arrays = Object.fromEntries(
    graph.inputs.map((v) => [v.name, { shape: boundShape(v.type, batch), data: Float64Array.from(inputs[v.name] as Float32Array) }]),
  );
  for (const v of graph.inputs) if (watched.has(v.id)) seen.set(v.id, momentsOf(arrays[v.name] as Tensor));
  const reader: WeightReader = {
    read: hashed.read,
    // the reference reads a layer's tensors when it comes to the layer: what arrives there is known by then
    readExact(weight) {
      const at = source.get(weight.value.id);
      const moments = at === undefined ? undefined : seen.get(at);
      if (!moments) return hashed.readExact(weight);
      const count = weight.value.type.shape[0] as number;
      const made = weight.path.endsWith("running_var")
        ? hashedValues(weight.path, count, 0.7, 1.4).map((v) => v * moments.variance)
        : hashedValues(weight.path, count, -0.3, 0.3).map((v) => moments.mean + v * Math.sqrt(moments.variance));
      settled.set(weight.path, made);
      return Float64Array.from(made);
    },
  };
  runReference(graph, arrays, reader, {
    batch,
    tap: (node, output) => {
      if (watched.has(node.output.id)) seen.set(node.output.id, momentsOf(output));
    },
  });
  return readerOf(
    graph,
    hashedWeights(graph, undefined, (path) => settled.get(path)),
  );
}
