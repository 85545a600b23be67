/** The only way to make a Graph from nothing. Ops' own rules (shapes, tensors) are applied by `compiler/ops/apply.ts`. */
import type { Origin } from "../source.ts";
import type { Attrs, Graph, Node, Output, Value, Weight } from "./graph.ts";
import type { TensorType } from "./type.ts";

export interface NodeSpec {
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly attrs: Attrs;
  readonly weights: Readonly<Record<string, Value>>;
  readonly type: TensorType;
  readonly path: string;
  readonly origin: Origin;
}

export interface GraphBuilder {
  value(type: TensorType, name: string): Value;
  input(name: string, type: TensorType): Value;
  weight(spec: Omit<Weight, "value">, type: TensorType): Value;
  node(spec: NodeSpec): Value;
  output(name: string, value: Value): void;
  finish(): Graph;
}

/** `firstId`: where value ids start; a pass that adds to a graph passes `nextId(graph)`. */
export function graphBuilder(name: string, firstId = 0): GraphBuilder {
  let id = firstId;
  const inputs: Value[] = [];
  const outputs: Output[] = [];
  const weights: Weight[] = [];
  const nodes: Node[] = [];
  const value = (type: TensorType, valueName: string): Value => ({ id: id++, type, name: valueName });
  return {
    value,
    input(inputName, type) {
      const v = value(type, inputName);
      inputs.push(v);
      return v;
    },
    weight(spec, type) {
      const v = value(type, spec.path);
      weights.push({ ...spec, value: v });
      return v;
    },
    node({ type, ...rest }) {
      const output = value(type, rest.path);
      nodes.push({ ...rest, output });
      return output;
    },
    output(outputName, v) {
      outputs.push({ name: outputName, value: v });
    },
    finish: () => ({ name, inputs, outputs, weights, nodes }),
  };
}

/** First id no value of the graph has. */
export function nextId(graph: Graph): number {
  let top = -1;
  for (const v of graph.inputs) top = Math.max(top, v.id);
  for (const w of graph.weights) top = Math.max(top, w.value.id);
  for (const n of graph.nodes) top = Math.max(top, n.output.id);
  return top + 1;
}
