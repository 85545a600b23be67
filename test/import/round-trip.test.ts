/**
 * Spec -> onnx target -> import -> spec: the same names, and the same function; imported -> onnx target: ONNX Runtime's answers stay.
 * `npm run test:zoo` takes the names of every net that ships.
 */
import { describe, expect, test } from "vitest";
import { cpu } from "../../backends/cpu/index.ts";
import type { Graph, Weight } from "../../compiler/ir/graph.ts";
import { numel } from "../../compiler/ir/type.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import { outputOn } from "../judges/describe-torch.ts";
import { type Imported, importedFrom, onnxBytes, runtimeOutputs } from "../judges/imported.ts";
import { everyNet, graphOf, hashedReader, inputsOf, shippedGraph, smallGraph, type WholeNet } from "../judges/whole-nets.ts";

const names = (graph: Graph): string[] =>
  graph.weights.flatMap((w) => (w.value.type.dtype === "f32" ? [`${w.path} [${w.value.type.shape}]`] : [])).sort();

/** Tensors that no two layers have in common by chance, made in no time. */
const marked: WeightReader = {
  read(weight: Weight) {
    const data = new Float32Array(numel(weight.value.type.shape));
    data[0] = 1;
    return data;
  },
  readExact: (weight) => Float64Array.from(marked.read(weight)),
};

describe("names", () => {
  /** One of each way to name things; every further family in the long run. */
  const FEW =
    "efficientnet_b0 ghostnet mobilenet_v3_large torchvision_efficientnet_b0 regnet_y_400mf legacy_se_resnet50 eca_resnet50t " +
    "se_bn_inception se_shufflenet_v1 se_attention se_block scse_unet cifar_se_resnet20";
  const all = everyNet();
  const chosen = process.env.SEC_ALL_NETS ? all : FEW.split(" ").map((net) => all.find((n) => n.net === net) ?? { file: "", net });

  test.each(chosen.map((n): [string, WholeNet] => [n.net, n]))("%s", (net, whole) => {
    const graph = smallGraph(whole);
    expect(names(importedFrom(onnxBytes(graph, marked), `${net}.onnx`).graph)).toEqual(names(graph));
  });
});

/** Every block of the library once, tied weights (cbam) among them. */
const BLOCKS = `se 1
net blocks {
  input image: f32[N, 16, 6, 8]
  a: se(reduction=4, bias=true)  b: ese  c: eca  d: cse(reduction=4)  e: sse  f: scse(reduction=4)  g: cbam(reduction=4)
  h: bam(reduction=4)  i: ge(learned=true, mlp=true, reduction=4)  j: ge(extent=2)  k: gct  l: simam  m: coord
  n: gc(reduction=4)  o: gc(reduction=4, fuse="add")  p: sk(reduction=4)
  output y
}
`;

const NETS: readonly (readonly [string, () => Graph])[] = [
  ...(
    [
      ["resnet.se", "resnet18", 32],
      ["mobilenet_v3_small.se", "mobilenet_v3_small", 32],
      ["efficientnet.se", "efficientnet_b0", 32],
      ["squeezenet.se", "squeezenet1_1", 64],
      ["shufflenet_v2.se", "shufflenet_v2_x1_0", 32],
      ["shufflenet_v1.se", "se_shufflenet_v1", 64],
      ["regnet.se", "regnet_x_400mf", 32],
    ] as const
  ).map(([file, net, size]) => [net, () => shippedGraph(file, net, { image: [1, 3, size, size] })] as const),
  ["densenet", () => graphOf('se 1\nuse "densenet.se"\nnet dense from densenet([2, 2, 2, 2], size=32)', "dense")],
  ["every block of the library", () => graphOf(BLOCKS, "blocks")],
];

test.each(NETS)("function and names: %s", async (_title, make) => {
  const graph = make();
  const weights = hashedReader(graph);
  const model = onnxBytes(graph, weights);
  const back: Imported = importedFrom(model, "net.onnx");
  expect(names(back.graph)).toEqual(names(graph));

  const { image } = inputsOf(graph, 1) as { image: Float32Array };
  const expected = (await outputOn(cpu, graph, weights, 1, { image })) as Float32Array;
  const answer = (await outputOn(cpu, back.graph, back.weightReader, 1, { image })) as Float32Array;
  const largest = expected.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  const apart = answer.reduce((m, v, i) => Math.max(m, Math.abs(v - (expected[i] as number))), 0);
  expect(largest).toBeGreaterThan(0);
  expect(apart / largest).toBeLessThan(1e-6);

  const input = { image: { data: image, shape: [1, ...((graph.inputs[0]?.type.shape ?? []).slice(1) as number[])] } };
  const [first] = Object.values(await runtimeOutputs(model, input)) as [Float32Array];
  const [again] = Object.values(await runtimeOutputs(onnxBytes(back.graph, back.weightReader), input)) as [Float32Array];
  const moved = again.reduce((m, v, i) => Math.max(m, Math.abs(v - (first[i] as number))), 0);
  expect(moved / largest).toBeLessThan(1e-5);
});
