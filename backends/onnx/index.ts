/** ONNX: one model file with the weights under their own names and the batch size open. */
import * as z from "zod";
import type { Graph } from "../../compiler/ir/graph.ts";
import { API_VERSION, type Artifact, defineBackend, type EmitContext, type Emitted } from "../backend.ts";
import { nameFolded } from "../module/folded-names.ts";
import { fileName } from "../module/text.ts";
import { modelParts } from "./model.ts";
import { weightBytes, writeExternal, writeModel } from "./write.ts";

/** A protobuf message ends at 2 GiB; nodes and constants need some of it. */
const MOST_INSIDE = 2_000_000_000;

const options = z.strictObject({
  opset: z
    .number()
    .int()
    .min(13)
    .max(21)
    .default(17)
    .meta({ description: "version of the operator set, 13 to 21; every layer is the same function at each" }),
  fold: z.boolean().default(false).meta({
    description: "fold batch norms into their layers; without it every tensor keeps its name, and ONNX Runtime folds them itself",
  }),
  external: z
    .number()
    .int()
    .min(0)
    .max(MOST_INSIDE)
    .default(MOST_INSIDE)
    .meta({ description: "weights of more bytes than this lie beside the model, in NET.onnx.data" }),
});
type Options = z.output<typeof options>;

function emit(given: Graph, { options: o, weights, source, store }: EmitContext<Options>): Emitted {
  const parts = modelParts(nameFolded(given), o.opset, source);
  const file = `${fileName(given.name)}.onnx`;
  const artifact = (path: string, contents: Uint8Array): Artifact => ({ path, contents, mediaType: "application/octet-stream" });
  if (weightBytes(parts.weights) <= o.external) return { artifacts: [artifact(file, writeModel(parts, weights, store))], metrics: {} };
  const { model, data } = writeExternal(parts, `${file}.data`, weights, store);
  return { artifacts: [artifact(file, model), artifact(`${file}.data`, data)], metrics: {} };
}

export const onnx = defineBackend({
  name: "onnx",
  apiVersion: API_VERSION,
  level: "graph",
  fileNames: true,
  summary: "one ONNX model, opset 13 to 21, weights under their own names, any batch size",
  options,
  openBatch: true,
  // what training needs is what keeps the names: batch norms as they are
  training: (o) => !o.fold,
  wholeNetLimit: 1e-5,
  emit,
  runner: async (files, net) => (await import("./run.ts")).onnxRunner(files, net),
  judge: async (files) => (await import("./run.ts")).judgeModel(files),
});
