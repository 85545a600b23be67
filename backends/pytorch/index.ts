/** PyTorch: one readable `model.py` whose classes are the spec's blocks, its weights, and on demand a training script. */
import * as z from "zod";
import { messages } from "../../compiler/diagnostics/messages.gen.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { pairOf } from "../../compiler/ops/shape.ts";
import { writeStateDict } from "../../compiler/weights/write.ts";
import { API_VERSION, type Artifact, defineBackend, type EmitContext, type Emitted, WRITTEN_BY } from "../backend.ts";
import { fileName } from "../module/text.ts";
import { train } from "./host.gen.ts";
import { modelText } from "./model.ts";

const options = z.strictObject({
  train: z.boolean().default(false).meta({ description: "write train.py too: a training script for one process or several (torchrun)" }),
});
type Options = z.output<typeof options>;

/** SE501 for what no module of PyTorch does: its transposed convolution adds fewer rows than one step. */
function refused(graph: Graph, context: EmitContext<Options>): boolean {
  const wrong = graph.nodes.filter((n) => {
    if (n.op !== "deconv") return false;
    const { out_pad, stride, dilation } = n.attrs as Record<string, number | readonly number[]>;
    return pairOf(out_pad ?? 0).some((p, i) => p >= Math.max(pairOf(stride ?? 1)[i] as number, pairOf(dilation ?? 1)[i] as number));
  });
  for (const n of wrong)
    context.diagnostics.report(
      messages.SE501.layer({ target: "pytorch", layer: `deconv(out_pad=${n.attrs.out_pad})`, path: n.path, targets: "cpu, tfjs, webgpu" }),
      n.origin.span,
    );
  return wrong.length > 0;
}

function emit(graph: Graph, context: EmitContext<Options>): Emitted {
  if (refused(graph, context)) return { artifacts: [], metrics: {} };
  const file = `${fileName(graph.name)}.safetensors`;
  const model = modelText(graph, context.tree, context.source, file);
  const artifacts: Artifact[] = [
    { path: "model.py", contents: model.text, mediaType: "text/x-python" },
    { path: file, contents: writeStateDict(graph, context.weights), mediaType: "application/octet-stream" },
  ];
  if (context.options.train)
    artifacts.push({ path: "train.py", contents: train.replace("WRITTEN_BY", WRITTEN_BY), mediaType: "text/x-python" });
  return { artifacts, metrics: {} };
}

export const pytorch = defineBackend({
  name: "pytorch",
  apiVersion: API_VERSION,
  level: "graph",
  summary: "readable, trainable model.py for PyTorch 1.13 and later; with train=true a training script too",
  options,
  asWritten: true,
  training: () => true,
  wholeNetLimit: 1e-5,
  emit,
  runner: async (files, net) => (await import("./run.ts")).pytorchRunner(files, net),
  judge: async (files) => (await import("./run.ts")).judgePython(files),
});
