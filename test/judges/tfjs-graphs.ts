/** GraphDefs made by hand, as `tensorflowjs_converter` writes them, and the model that TensorFlow.js makes of them. */
import type * as Tf from "@tensorflow/tfjs";
import { seededValues } from "../../backends/testing-samples.ts";
import { numel } from "../../compiler/ir/type.ts";
import { filesOf, type TfjsFiles } from "./tfjs-models.ts";

export type Attribute = string | number | boolean | readonly number[] | readonly string[] | { readonly f: number };

export interface HandGraphNode {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly attrs?: Readonly<Record<string, Attribute>>;
}

export interface HandConstant {
  readonly shape: readonly number[];
  readonly data: readonly number[] | Float32Array;
  readonly ints?: boolean;
}

export interface HandGraph {
  readonly input?: readonly number[];
  readonly nodes: readonly HandGraphNode[];
  readonly constants?: Readonly<Record<string, HandConstant>>;
}

/** "Relu x y": the node y is the Relu of x; behind it further inputs. */
export function op(text: string, attrs: HandGraphNode["attrs"] = {}): HandGraphNode {
  const [kind = "", ...names] = text.split(" ");
  return { op: kind, name: names.at(-1) ?? "", inputs: names.slice(0, -1), attrs };
}

export const values = (shape: readonly number[], low = -0.5, high = 0.5): HandConstant => ({
  shape,
  data: seededValues(`${shape} ${low}`, numel(shape), [low, high]),
});
export const whole = (...data: number[]): HandConstant => ({ shape: [data.length], data, ints: true });
export const single = (value: number, ints = false): HandConstant => ({ shape: [], data: [value], ints });

function attribute(value: Attribute): Record<string, unknown> {
  if (typeof value === "string") return { s: btoa(value) };
  if (typeof value === "boolean") return { b: value };
  if (typeof value === "number") return { i: String(value) };
  if ("f" in value) return { f: value.f };
  const list = value as readonly (number | string)[];
  return { list: typeof list[0] === "string" ? { s: list.map((v) => btoa(String(v))) } : { i: list.map(String) } };
}

export function artifactsOf({ input = [5, 7, 3], nodes, constants = {} }: HandGraph): Tf.io.ModelArtifacts {
  const dim = [-1, ...input].map((d) => ({ size: String(d) }));
  const entries = Object.entries(constants);
  const bytes = entries.flatMap(([, { data, ints }]) => [
    ...new Uint8Array((ints ? Int32Array.from(data) : Float32Array.from(data)).buffer),
  ]);
  const node = [
    { name: "x", op: "Placeholder", attr: { dtype: { type: "DT_FLOAT" }, shape: { shape: { dim } } } },
    ...entries.map(([name, { shape, ints }]) => ({
      name,
      op: "Const",
      attr: {
        dtype: { type: ints ? "DT_INT32" : "DT_FLOAT" },
        value: { tensor: { dtype: ints ? "DT_INT32" : "DT_FLOAT", tensorShape: { dim: shape.map((d) => ({ size: String(d) })) } } },
      },
    })),
    ...nodes.map((n) => ({
      name: n.name,
      op: n.op,
      input: n.inputs,
      attr: { T: { type: "DT_FLOAT" }, ...Object.fromEntries(Object.entries(n.attrs ?? {}).map(([name, v]) => [name, attribute(v)])) },
    })),
  ];
  return {
    format: "graph-model",
    modelTopology: { node, library: {}, versions: { producer: 1395 } },
    weightSpecs: entries.map(([name, { shape, ints }]) => ({
      name,
      shape: [...shape],
      dtype: ints ? ("int32" as const) : ("float32" as const),
    })),
    weightData: Uint8Array.from(bytes).buffer,
  };
}

export const graphFiles = (graph: HandGraph): TfjsFiles => filesOf(artifactsOf(graph));

export const graphPredictor = async (tf: typeof Tf, graph: HandGraph): Promise<(inputs: Tf.Tensor[]) => Tf.Tensor | Tf.Tensor[]> => {
  const model = await tf.loadGraphModel(tf.io.fromMemory(artifactsOf(graph)));
  return (inputs) => model.predict(inputs) as Tf.Tensor;
};
