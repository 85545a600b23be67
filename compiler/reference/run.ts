/**
 * The judge: runs a Graph in f64 by the `reference` of every op, one node after another, and frees each value after its last reader.
 * Plain on purpose; nothing here is fused or reordered.
 */
import { invariant, must } from "../invariant.ts";
import type { Graph, Node, Value, Weight } from "../ir/graph.ts";
import type { TensorType } from "../ir/type.ts";
import { opOf } from "../ops/index.ts";
import type { Tensor } from "../ops/op.ts";
import { elements } from "../ops/tensor.ts";
import type { WeightReader } from "../weights/source.ts";

export interface ReferenceOptions {
  /** Size of an open batch; default: axis 0 of the first input. */
  readonly batch?: number;
  /** Sees every node's output as it is made. Keep the tensor only if it is needed: it is freed otherwise. */
  readonly tap?: (node: Node, output: Tensor) => void;
}

/** The shape of a type with its open size bound. */
export const boundShape = (type: TensorType, batch: number): number[] => type.shape.map((d) => (typeof d === "number" ? d : batch));

/** Index of the last node that reads each value; outputs of the graph are read after the last node. */
export function lastReaders(graph: Graph): ReadonlyMap<number, number> {
  const last = new Map<number, number>();
  for (const [i, node] of graph.nodes.entries()) {
    last.set(node.output.id, i);
    for (const v of node.inputs) last.set(v.id, i);
  }
  for (const o of graph.outputs) last.set(o.value.id, graph.nodes.length);
  return last;
}

/** Reads the tensors of a node that count at inference (not num_batches_tracked). */
export function weightsOf(graph: Graph, reader: WeightReader): (node: Node) => Record<string, Tensor> {
  const byValue = new Map<number, Weight>(graph.weights.map((w) => [w.value.id, w]));
  return (node) => {
    const tensors: Record<string, Tensor> = {};
    for (const [name, value] of Object.entries(node.weights)) {
      if (value.type.dtype === "i64") continue;
      const weight = must(byValue.get(value.id), `weight ${value.name}`);
      tensors[name] = { shape: value.type.shape as readonly number[], data: reader.readExact(weight) };
    }
    return tensors;
  };
}

/** Checks the inputs against the graph and returns them by value id. Shapes must match: that is the caller's duty. */
export function inputValues(graph: Graph, inputs: Readonly<Record<string, Tensor>>, batch?: number): Map<number, Tensor> {
  const size = batch ?? Object.values(inputs)[0]?.shape[0] ?? 1;
  const values = new Map<number, Tensor>();
  for (const v of graph.inputs) {
    const tensor = must(inputs[v.name], `input ${v.name}`);
    const shape = boundShape(v.type, size);
    invariant(shape.join() === tensor.shape.join(), `input ${v.name} is [${tensor.shape}], the net wants [${shape}]`);
    values.set(v.id, tensor);
  }
  return values;
}

/** Outputs by name, in f64. Inputs by name; weights as `readExact` gives them (see `rounded` for a comparison with an f32 backend). */
export function runReference(
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  weights: WeightReader,
  options: ReferenceOptions = {},
): Record<string, Tensor> {
  const values = inputValues(graph, inputs, options.batch);
  const tensorsOf = weightsOf(graph, weights);
  const last = lastReaders(graph);
  // a node may read a tensor as an input: imported constants and what fold-constants makes of them
  const constants = new Map<number, Weight>(graph.weights.map((w) => [w.value.id, w]));
  const constant = (v: Value): Tensor => ({
    shape: v.type.shape as readonly number[],
    data: weights.readExact(must(constants.get(v.id), `value ${v.name}`)),
  });
  const at = (v: Value): Tensor => values.get(v.id) ?? constant(v);
  for (const [i, node] of graph.nodes.entries()) {
    const output = opOf(node.op).reference(node.inputs.map(at), tensorsOf(node), node.attrs as never);
    invariant(output.data.length === elements(output.shape), `${node.path}: the reference of ${node.op} made a wrong shape`);
    options.tap?.(node, output);
    values.set(node.output.id, output);
    for (const v of [...node.inputs, node.output]) if (last.get(v.id) === i) values.delete(v.id);
  }
  return Object.fromEntries(graph.outputs.map((o) => [o.name, at(o.value)]));
}

/** A reader whose exact values are the f32 ones: what a backend is given, so what it is compared on (kernels.md section 1). */
export function rounded(reader: WeightReader): WeightReader {
  return { read: reader.read, readExact: (weight) => Float64Array.from(reader.read(weight)) };
}
