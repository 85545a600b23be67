/** Spec -> onnx target -> import -> spec: the same function and the same names; imported -> onnx target: ONNX Runtime's answers stay. */
import { expect, test } from "vitest";
import { cpu } from "../../backends/cpu/index.ts";
import { outputOn } from "../judges/describe-torch.ts";
import { importedFrom, onnxBytes, runtimeOutputs } from "../judges/imported.ts";
import { hashedReader, inputsOf, shippedGraph } from "../judges/whole-nets.ts";

const NETS = [
  ["resnet.se", "resnet18", 32],
  ["se_resnet.se", "se_resnet18", 32],
  ["mobilenet_v3_small.se", "mobilenet_v3_small", 32],
  ["squeezenet.se", "squeezenet1_1", 64],
  ["shufflenet_v2.se", "shufflenet_v2_x1_0", 32],
  ["shufflenet_v1.se", "se_shufflenet_v1", 64],
  ["densenet.se", "densenet121", 32],
  ["regnet.se", "regnet_x_400mf", 32],
] as const;

test.each(NETS)("%s: %s", async (file, net, size) => {
  const graph = shippedGraph(file, net, { image: [1, 3, size, size] });
  const weights = hashedReader(graph);
  const model = onnxBytes(graph, weights);
  const back = importedFrom(model, `${net}.onnx`);

  const names = (g: typeof graph): string[] =>
    g.weights.filter((w) => w.value.type.dtype === "f32").map((w) => `${w.path} [${w.value.type.shape}]`);
  expect(names(back.graph).sort()).toEqual(names(graph).sort());

  const { image } = inputsOf(graph, 1) as { image: Float32Array };
  const expected = (await outputOn(cpu, graph, weights, 1, { image })) as Float32Array;
  const answer = (await outputOn(cpu, back.graph, back.weightReader, 1, { image })) as Float32Array;
  const largest = expected.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  const apart = answer.reduce((m, v, i) => Math.max(m, Math.abs(v - (expected[i] as number))), 0);
  expect(apart / largest).toBeLessThan(1e-6);

  const input = { image: { data: image, shape: [1, 3, size, size] } };
  const [first] = Object.values(await runtimeOutputs(model, input)) as [Float32Array];
  const [again] = Object.values(await runtimeOutputs(onnxBytes(back.graph, back.weightReader), input)) as [Float32Array];
  const moved = again.reduce((m, v, i) => Math.max(m, Math.abs(v - (first[i] as number))), 0);
  expect(moved / largest).toBeLessThan(1e-5);
});
