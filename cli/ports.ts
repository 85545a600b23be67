/** Inputs and outputs of a net with the batch bound: the `Port`s of cli.md section 5. */
import type { Graph } from "../compiler/index.ts";

export interface Port {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

export const bindBatch = (shape: readonly (number | string)[], batch: number): number[] =>
  shape.map((d) => (typeof d === "number" ? d : batch));

export function ports(graph: Graph, batch: number): { inputs: Port[]; outputs: Port[] } {
  const port = (name: string, type: { dtype: string; shape: readonly (number | string)[] }): Port => ({
    name,
    dtype: type.dtype,
    shape: bindBatch(type.shape, batch),
  });
  return {
    inputs: graph.inputs.map((v) => port(v.name, v.type)),
    outputs: graph.outputs.map((o) => port(o.name, o.value.type)),
  };
}
