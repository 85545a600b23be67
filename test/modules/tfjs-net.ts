/** An emitted TensorFlow.js module, loaded: for the tests of training. */
import type * as Tf from "@tensorflow/tfjs";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { importModule, type LoadedNet } from "../../backends/module/import-module.ts";
import { tfjs } from "../../backends/tfjs/index.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";

export interface TfNet extends LoadedNet {
  readonly trainableVariables: Tf.Variable[];
  readonly variables: Readonly<Record<string, Tf.Variable>>;
  apply(x: Tf.Tensor, options?: { readonly training?: boolean }): Tf.Tensor;
}

export interface EmittedTf {
  /** Text of the module. */
  readonly text: string;
  load(tf: typeof Tf): Promise<TfNet>;
}

export async function emitTf(
  graph: Graph,
  weights: WeightReader,
  options: { readonly train?: boolean; readonly batch?: number } = {},
): Promise<EmittedTf> {
  const { train = true, batch = 1 } = options;
  const diagnostics = new Diagnostics();
  const backend = tfjs as unknown as Backend;
  const { artifacts } = emitTarget({ backend, graph, options: { train }, weights, batch, level: 2, diagnostics, source: "net.se" });
  if (diagnostics.hasErrors) throw new Error(diagnostics.all.map((d) => d.title).join("\n"));
  const module = await importModule(artifacts, graph.name);
  return {
    text: artifacts.find((a) => a.path.endsWith(".js"))?.contents as string,
    load: async (tf) => (await module.load({ tf, weights: module.weights })) as TfNet,
  };
}

/** A map in the order of the spec (NCHW) as the NHWC tensor that `apply` takes. */
export function channelsLast(tf: typeof Tf, values: Float32Array, [n, c, h, w]: readonly [number, number, number, number]): Tf.Tensor4D {
  return tf.tidy(() => tf.transpose(tf.tensor4d(values, [n, c, h, w]), [0, 2, 3, 1]));
}

/** Values of a variable in the order of PyTorch's state dict. */
export function stateOf(tf: typeof Tf, variable: Tf.Variable): Float32Array {
  return tf.tidy(() => {
    if (variable.rank === 4) return tf.transpose(variable, [3, 2, 0, 1]).dataSync() as Float32Array;
    if (variable.rank === 2) return tf.transpose(variable, [1, 0]).dataSync() as Float32Array;
    return variable.dataSync() as Float32Array;
  });
}
