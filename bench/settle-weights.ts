/**
 * node --import tsx bench/settle-weights.ts NET OUT.safetensors: a weight file of a shipped net whose batch norms fit what arrives at them,
 * so that signals stay near 1 through any depth and the output depends on the input, as in a trained net. Fresh weights do neither: gates
 * halve every block, and after twenty only the last bias is left, which tells no right contender from a wrong one.
 */
import { writeFileSync } from "node:fs";
import type { Graph } from "../compiler/ir/graph.ts";
import { randomInput } from "../compiler/weights/random-input.ts";
import { writeSafetensors } from "../compiler/weights/safetensors.ts";
import { settledReader } from "../test/judges/settled-weights.ts";
import { everyNet, shippedGraph } from "../test/judges/whole-nets.ts";

/** Statistics change little with the size of a map; time does, by its square. */
const SIZE = 96;

const [name = "", out = ""] = process.argv.slice(2);
const found = everyNet().find(({ net }) => net === name);
if (!found || out === "") throw new Error("usage: settle-weights.ts NET OUT.safetensors, with a net that ships");

const shapesOf = (graph: Graph): string => JSON.stringify(graph.weights.map((w) => w.value.type.shape));
const whole = shippedGraph(found.file, name);
const [input] = whole.inputs;
if (!input) throw new Error(`${name} has no input`);
const small = shippedGraph(found.file, name, { [input.name]: [1, input.type.shape[1] as number, SIZE, SIZE] });
// a linear layer over the pixels of a map ties weights to the size
const graph = shapesOf(small) === shapesOf(whole) ? small : whole;
const inputs = Object.fromEntries(
  graph.inputs.map((v) => [
    v.name,
    randomInput(
      v.name,
      v.type.shape.map((d) => (typeof d === "number" ? d : 1)),
      0,
    ),
  ]),
);
const reader = settledReader(graph, inputs, 1);
const tensors = graph.weights
  .filter((w) => w.value.type.dtype === "f32")
  .map((w) => ({ name: w.path, shape: w.value.type.shape as readonly number[], data: reader.read(w) }));
writeFileSync(out, writeSafetensors(tensors));
