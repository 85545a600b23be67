/** Parameters, multiply-adds and bytes: per node and of a whole graph, for `sec inspect` and the schedules. */
import type { Graph, Node } from "../ir/graph.ts";
import { type Dim, numel, type TensorType } from "../ir/type.ts";
import { opOf } from "../ops/index.ts";

export interface NodeCost {
  readonly node: Node;
  /** Trainable elements; 0 for a later use of shared tensors, which are counted at their first. */
  readonly params: number;
  /** Multiply-adds of conv, deconv, linear, chanconv (language.md section 11), at the batch. */
  readonly macs: number;
  readonly elementOps: number;
  /** Bytes of the output, at the batch. */
  readonly activationBytes: number;
  /** Bytes of the tensors inference reads; shared ones at their first use. */
  readonly weightBytes: number;
}

export interface GraphCost {
  readonly nodes: readonly NodeCost[];
  readonly params: number;
  readonly macs: number;
  readonly elementOps: number;
  /** All outputs of nodes together: traffic, not the arena. */
  readonly activationBytes: number;
  readonly weightBytes: number;
}

const BYTES = { f32: 4, f16: 2, i32: 4, i64: 8, bool: 1 } as const;

const bytesOf = (type: TensorType, batch: number): number =>
  BYTES[type.dtype] * type.shape.reduce((n: number, d: Dim) => n * (typeof d === "number" ? d : batch), 1);

/** `batch`: the size of an open batch, default 1; a graph whose batch is bound keeps its own. */
export function costOf(graph: Graph, batch = 1): GraphCost {
  const trainable = new Set(graph.weights.filter((w) => w.trainable).map((w) => w.value.id));
  const counted = new Set<number>();
  const nodes = graph.nodes.map((node): NodeCost => {
    const cost = opOf(node.op).cost(
      node.inputs.map((v) => v.type),
      node.output.type,
      node.attrs as never,
    );
    const images = node.output.type.shape[0];
    const factor = typeof images === "number" ? images : batch;
    let params = 0;
    let weightBytes = 0;
    for (const value of Object.values(node.weights)) {
      if (counted.has(value.id)) continue;
      counted.add(value.id);
      if (trainable.has(value.id)) params += numel(value.type.shape);
      if (value.type.dtype !== "i64") weightBytes += bytesOf(value.type, 1);
    }
    return {
      node,
      params,
      macs: cost.macs * factor,
      elementOps: cost.elementOps * factor,
      activationBytes: bytesOf(node.output.type, batch),
      weightBytes,
    };
  });
  const sum = (of: (c: NodeCost) => number): number => nodes.reduce((n, c) => n + of(c), 0);
  return {
    nodes,
    params: sum((c) => c.params),
    macs: sum((c) => c.macs),
    elementOps: sum((c) => c.elementOps),
    activationBytes: sum((c) => c.activationBytes),
    weightBytes: sum((c) => c.weightBytes),
  };
}
