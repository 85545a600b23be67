/** A net's whole state dict as a safetensors file: what `sec weights -o` and the pytorch target write. */

import type { Graph } from "../ir/graph.ts";
import { hashGraph } from "../ir/hash.ts";
import { numel } from "../ir/type.ts";
import { type TensorToWrite, writeSafetensors } from "./safetensors.ts";
import type { WeightReader } from "./source.ts";

/** By this the command line knows a file of ours, which it may overwrite. */
const PRODUCER = "Written by sec";

/** Every tensor in the net's order, `num_batches_tracked` included; derived ones are no part of it. */
export function writeStateDict(graph: Graph, reader: WeightReader): Uint8Array {
  const tensors = graph.weights
    .filter((w) => w.init.kind !== "derived")
    .map((w): TensorToWrite => {
      const shape = w.value.type.shape as readonly number[];
      const data = w.value.type.dtype === "i64" ? new BigInt64Array(numel(shape)) : reader.read(w);
      return { name: w.path, shape, data };
    });
  return writeSafetensors(tensors, { producer: PRODUCER, graph: hashGraph(graph), net: graph.name });
}
