/** TensorFlow.js: readable code on core operations, NHWC inside, `tf` given by the caller, trainable. */
import * as z from "zod";
import type { Graph } from "../../compiler/ir/graph.ts";
import { API_VERSION, type Artifact, defineBackend, type EmitContext, type Emitted } from "../backend.ts";
import { declarations, type Signature, signatureOf, signatureText } from "../module/dts.ts";
import { nameFolded } from "../module/folded-names.ts";
import { layout, prelude } from "../module/prelude.gen.ts";
import { commentText, stringLiteral } from "../module/text.ts";
import { packWeights, weightsText } from "../module/weights-file.ts";
import { forwardText } from "./forward.ts";
import { layers, net } from "./host.gen.ts";
import { packTensors } from "./pack.ts";

const options = z.strictObject({
  train: z
    .boolean()
    .default(true)
    .meta({ description: "keep batch norms and variables for training; false folds everything when the module is made" }),
});
type Options = z.output<typeof options>;

const TYPES = `/** A tensor of the TensorFlow.js that \`load\` was given. */
type Tensor = object;
type Variable = object & { readonly name: string };
`;

function dts(signature: Signature, train: boolean): string {
  return declarations(signature, {
    types: TYPES,
    optionsRequired: true,
    options: [
      {
        text: "tf: object",
        doc: "Any TensorFlow.js: @tensorflow/tfjs or @tensorflow/tfjs-node, with its cpu, wasm, webgl or webgpu backend set.",
      },
    ],
    net: train
      ? [
          { text: "readonly trainableVariables: Variable[]", doc: "Everything an optimizer may change: pass it as `varList`." },
          {
            text: "readonly variables: Record<string, Variable>",
            doc: "All tensors by their path in weight files, running statistics included.",
          },
          {
            text: "apply(x: Tensor | Record<string, Tensor>, options?: { training?: boolean }): any",
            doc: "The net on tensors (NHWC, any batch) of the same `tf`, differentiable; `training` uses and updates batch statistics and applies dropout. A tensor gives a tensor, a record a record.",
          },
        ]
      : [],
  });
}

function emit(given: Graph, context: EmitContext<Options>): Emitted {
  const graph = nameFolded(given);
  const { train } = context.options;
  const signature = signatureOf(
    graph.name,
    graph.inputs.map((value) => ({ name: value.name, value })),
    graph.outputs,
  );
  const { text, folds, flattenedFrom } = forwardText(graph, train);
  const tensors = packTensors(graph, context.weights, flattenedFrom);
  const packed = packWeights(
    tensors.map((t) => t.section),
    context.store,
  );
  const name = stringLiteral(graph.name);
  const rows = tensors.map(
    (t, i) => `  [${stringLiteral(t.weight.path)}, [${t.shape.join(", ")}], ${packed.offsets[i]}, ${train && t.weight.trainable}],`,
  );
  const foldRows = folds.map(
    (f) => `  { conv: ${stringLiteral(f.conv)}, norm: ${stringLiteral(f.norm)}, eps: ${f.eps}, axis: ${f.axis} },`,
  );
  const module = `// Written by sec from ${commentText(context.source)}: ${commentText(graph.name)} for TensorFlow.js. Do not edit.
// The operations are at the end, in \`forward\`; what comes before is the same for all nets.

${signatureText(signature)}

/** Tensors in the weights file: path, shape (filters HWIO, matrices [in, out]), byte offset, trainable. */
const TENSORS = [
${rows.join("\n")}
];

/** Layers whose batch norm \`run\` folds into the filter. */
const FOLDS = [
${foldRows.join("\n")}
];

${weightsText(`${graph.name}.weights`, packed)}

/**
 * @param {{ tf: any, weights?: ArrayBuffer | Uint8Array | URL | string }} options tf: the caller's TensorFlow.js
 */
export async function load(options) {
  const tf = options?.tf;
  if (typeof tf?.fused?.conv2d !== "function") {
    throw new TypeError(${stringLiteral(`${graph.name}: load needs { tf }: pass @tensorflow/tfjs or @tensorflow/tfjs-node`)});
  }
  const payload = await loadWeights(${name}, options.weights, WEIGHTS);
  await tf.ready();
  const w = Object.fromEntries(
    TENSORS.map(([path, shape, offset, trainable]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      // a copy; the slice of a Node Buffer would be a view of the whole file
      const values = new Float32Array(payload.buffer, payload.byteOffset + offset, size).slice();
      return [path, tf.tidy(() => tf.variable(tf.tensor(values, shape), trainable))];
    }),
  );
  return makeTfNet(${name}, signature, tf, w, FOLDS, forward);
}

${prelude}
${layout}
${layers}
${net}
${text}
`;
  const artifact = (path: string, contents: string | Uint8Array, mediaType: string): Artifact => ({ path, contents, mediaType });
  return {
    artifacts: [
      artifact(`${graph.name}.js`, module, "text/javascript"),
      artifact(`${graph.name}.d.ts`, dts(signature, train), "text/typescript"),
      artifact(`${graph.name}.weights`, packed.file, "application/octet-stream"),
    ],
    metrics: {},
  };
}

export const tfjs = defineBackend({
  name: "tfjs",
  apiVersion: API_VERSION,
  level: "graph",
  summary: "TensorFlow.js core operations, trainable; `tf` is passed in",
  options,
  wholeNetLimit: 1e-4,
  training: (o) => o.train,
  emit,
  runner: async (files, net) => (await import("./run.ts")).tfjsRunner(files, net),
  judge: async (files, net) => (await import("../module/import-module.ts")).judgeModule(files, net),
});
