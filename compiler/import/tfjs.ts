/** A TensorFlow.js model (`model.json` and the shards beside it) as a network in our vocabulary. */
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import type { ImportedNet } from "./imported.ts";
import { netOfNodes, type OnnxOptions } from "./onnx.ts";
import { Unreadable } from "./onnx-file.ts";
import { graphModel } from "./tfjs-graph.ts";
import { readTfjsFile } from "./tfjs-json.ts";
import { layersModel } from "./tfjs-layers.ts";
import { readWeights } from "./tfjs-weights.ts";

export function importTfjs(bytes: Uint8Array, options: OnnxOptions): ImportedNet | { readonly problem: Message } {
  const { file } = options;
  const unread = (reason: string): Message => messages.SE606.unread({ file, reason });
  try {
    const { manifest, model } = readTfjsFile(bytes);
    const weights = readWeights(manifest, options.readPart ?? (() => undefined));
    const isGraph = model.kind === "graph";
    return netOfNodes(isGraph ? graphModel(model, weights) : layersModel(model.topology, weights), options, {
      unread,
      refused: (count, nodes) =>
        isGraph ? messages.SE602.nodes({ file, count, nodes }) : messages.SE602.layers({ file, count, layers: nodes }),
    });
  } catch (error) {
    if (error instanceof Unreadable) return { problem: unread(error.message) };
    throw error;
  }
}
