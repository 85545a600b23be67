/** Layers of a file that read the same tensors are one layer used again: one tensor in what is written, and the file's function. */
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { seededValues } from "../../backends/testing-samples.ts";
import { importModel } from "../../compiler/import/index.ts";
import { caffeModel } from "../judges/caffe-files.ts";
import { outputOn } from "../judges/describe-torch.ts";
import { importedFrom, runtimeOutputs } from "../judges/imported.ts";
import { type HandModel, type HandNode, handModel, node, values } from "../judges/onnx-models.ts";
import { graphOf, readerOf } from "../judges/whole-nets.ts";

const uniform = (x: number) => ({ shape: [8], data: Array.from({ length: 8 }, () => x) });
const squeeze = (from: string, to: string): HandNode[] => [
  node("GlobalAveragePool", from, `${to}s`),
  node("Conv", `${to}s att.fc1.weight`, `${to}h`),
  node("Relu", `${to}h`, `${to}r`),
  node("Conv", `${to}r att.fc2.weight`, `${to}e`),
  node("Sigmoid", `${to}e`, `${to}g`),
  node("Mul", `${from} ${to}g`, to),
];
const PAD = { pads: [1, 1, 1, 1] };
const NORM = "n.weight n.bias n.running_mean n.running_var";

/** Title, the model, what its body becomes, the tensors. */
const TIED: readonly (readonly [string, HandModel, string, string])[] = [
  [
    "a convolution used twice",
    {
      nodes: [node("Conv", "x c.weight c.bias", "a", PAD), node("Relu", "a", "b"), node("Conv", "b c.weight c.bias", "y", PAD)],
      output: "y",
      tensors: { "c.weight": values("c", 8, 8, 3, 3), "c.bias": values("d", 8) },
    },
    'c: conv(8, 3, bias=true) relu shared("c")',
    "c.bias c.weight",
  ],
  [
    "the same weights with other strides are copies",
    {
      nodes: [node("Conv", "x c.weight", "a", PAD), node("Conv", "a c.weight", "y", { ...PAD, strides: [2, 2] })],
      output: "y",
      tensors: { "c.weight": values("c", 8, 8, 3, 3) },
    },
    "c: conv(8, 3) y: conv(8, 3, stride=2)",
    "c.weight y.weight",
  ],
  [
    "one squeeze and excitation at two places",
    {
      nodes: [...squeeze("x", "a"), node("Relu", "a", "b"), ...squeeze("b", "y")],
      output: "y",
      tensors: { "att.fc1.weight": values("1", 2, 8, 1, 1), "att.fc2.weight": values("2", 8, 2, 1, 1) },
    },
    'att: { mul { x {} scale { gap fc1: conv(2, 1) relu fc2: conv(8, 1) sigmoid } } relu } mul { x {} scale { gap shared("att.fc1") relu shared("att.fc2") sigmoid } }',
    "att.fc1.weight att.fc2.weight",
  ],
  [
    "untrained norms, of which an exporter kept one, stay two",
    {
      nodes: [node("BatchNormalization", `x ${NORM}`, "a"), node("Relu", "a", "b"), node("BatchNormalization", `b ${NORM}`, "y")],
      output: "y",
      tensors: { "n.weight": uniform(1), "n.bias": uniform(0), "n.running_mean": uniform(0), "n.running_var": uniform(1) },
    },
    "n: bn relu y: bn",
    "n.bias n.running_mean n.running_var n.weight y.bias y.running_mean y.running_var y.weight",
  ],
];

const bodyOf = (spec: string): string => {
  const [, body = spec] = spec.match(/\n\s*input [^\n]*\n([\s\S]*)\n\s*output [^\n]*\n\}/) ?? [];
  return body.replace(/\s+/g, " ").trim();
};

test.each(TIED)("%s", async (_title, model, shows, tensors) => {
  const bytes = handModel(model);
  const imported = importedFrom(bytes, "m.onnx");
  expect(bodyOf(imported.spec)).toBe(shows);
  const names = imported.graph.weights.flatMap((w) => (w.value.type.dtype === "f32" ? [w.path] : []));
  expect(names.sort().join(" ")).toBe(tensors);

  const data = seededValues("x", 8 * 36, [-5, 5]);
  const { y: theirs } = (await runtimeOutputs(bytes, { x: { data, shape: [1, 8, 6, 6] } })) as { y: Float32Array };
  const ours = (await outputOn(cpu as unknown as Backend, imported.graph, imported.weightReader, 1, { x: data })) as Float32Array;
  const largest = Math.max(...theirs.map(Math.abs));
  expect(Math.max(...ours.map((v, i) => Math.abs(v - (theirs[i] as number))))).toBeLessThanOrEqual(1e-6 * largest);
});

const layer = (name: string, type: string, bottom: string, more = ""): string =>
  `layer { name: "${name}" type: "${type}" bottom: "${bottom}" top: "${name}" ${more} }\n`;
const tiedConv = (name: string, bottom: string, parameter: string, out: number): string =>
  layer(
    name,
    "Convolution",
    bottom,
    `param { name: "${parameter}_w" } param { name: "${parameter}_b" } convolution_param { num_output: ${out} kernel_size: 1 }`,
  );
const gate = (at: string, from: string): string =>
  layer(`gap${at}`, "Pooling", from, "pooling_param { pool: AVE global_pooling: true }") +
  tiedConv(`down${at}`, `gap${at}`, "down", 2) +
  layer(`relu${at}`, "ReLU", `down${at}`) +
  tiedConv(`up${at}`, `relu${at}`, "up", 8) +
  layer(`sigmoid${at}`, "Sigmoid", `up${at}`) +
  `layer { name: "gated${at}" type: "Axpy" bottom: "sigmoid${at}" bottom: "${from}" bottom: "data" top: "gated${at}" }\n`;

test("Caffe's parameters of one name, inside what would be two blocks and outside of them", async () => {
  const prototxt =
    'name: "n" input: "data" input_shape { dim: 1 dim: 8 dim: 4 dim: 4 }\n' +
    gate("1", "data") +
    gate("2", "gated1") +
    tiedConv("last", "gated2", "down", 2);
  const blobs = Object.fromEntries(
    ["down1", "up1", "down2", "up2", "last"].map((name) => {
      const [out, from] = name.startsWith("up") ? [8, 2] : [2, 8];
      const weight = values(`${out}`, out, from, 1, 1);
      return [name, [weight, values(`b${out}`, out)]];
    }),
  );
  const text = new TextEncoder().encode(prototxt);
  const read = (weights?: Uint8Array) => {
    const result = importModel(text, { file: "n.prototxt", ...(weights ? { weights: { file: "n.caffemodel", bytes: weights } } : {}) });
    if ("problem" in result) throw new Error(result.problem.title);
    return result;
  };
  const [bare, full] = [read(), read(caffeModel(blobs))];
  expect(full.spec).toBe(bare.spec);
  const graph = graphOf(full.spec, "n");
  expect(graph.weights.map((w) => w.path)).toEqual(["down1.weight", "down1.bias", "up1.weight", "up1.bias"]);

  const apart = read(caffeModel(blobs)).spec.match(/shared\("\w+"\)/g);
  expect(apart).toEqual(['shared("down1")', 'shared("up1")', 'shared("down1")']);
  // the same file with a name for each gives the same numbers
  const alone = importModel(new TextEncoder().encode(prototxt.replace(/param \{ name: "\w+" \} /g, "")), {
    file: "n.prototxt",
    weights: { file: "n.caffemodel", bytes: caffeModel(blobs) },
  });
  if ("problem" in alone) throw new Error(alone.problem.title);
  const other = graphOf(alone.spec, "n");
  expect(other.weights.length).toBe(10);
  const data = seededValues("x", 8 * 16, [-1, 1]);
  const on = (g: typeof graph, bytes: Uint8Array | undefined) => outputOn(cpu, g, readerOf(g, bytes as Uint8Array), 1, { data });
  expect(await on(graph, full.weights)).toEqual(await on(other, alone.weights));
});
