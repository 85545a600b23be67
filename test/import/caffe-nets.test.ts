/**
 * The SENet authors' networks from their own files (test/fixtures/caffe) and from files that are written here after their manner, against
 * the nets that ship: the same layers in the same order, the same counts, and with the same weights the same logits bit for bit.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { cpu } from "../../backends/cpu/index.ts";
import { costOf } from "../../compiler/analysis/cost.ts";
import { type ImportedModel, importModel } from "../../compiler/import/index.ts";
import type { Graph, Node, Value } from "../../compiler/ir/graph.ts";
import { type Pad, pairOf, resolvePad, type Size } from "../../compiler/ops/shape.ts";
import { writeSafetensors } from "../../compiler/weights/safetensors.ts";
import { caffeFiles } from "../judges/caffe-files.ts";
import { outputOn } from "../judges/describe-torch.ts";
import { graphOf, hashedReader, inputsOf, readerOf, shippedGraph } from "../judges/whole-nets.ts";

const authors = (name: string): string => readFileSync(new URL(`../fixtures/caffe/${name}.prototxt`, import.meta.url), "utf8");
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function imported(text: string, size?: number, model?: Uint8Array): { model: ImportedModel; graph: Graph } {
  const outcome = importModel(bytesOf(text), {
    file: "net.prototxt",
    ...(size === undefined ? {} : { shapes: { data: [1, 3, size, size], image: [1, 3, size, size] } }),
    ...(model ? { weights: { file: "net.caffemodel", bytes: model } } : {}),
  });
  if ("problem" in outcome) throw new Error(`${outcome.problem.code} ${outcome.problem.title}`);
  return { model: outcome, graph: graphOf(outcome.spec, "net_net") };
}

/** A layer without names, with what its arguments come to. */
function layerText(node: Node): string {
  const { kernel, stride, pad, dilation, ...rest } = node.attrs as Readonly<Record<string, unknown>>;
  if (kernel === undefined) return `${node.op} ${JSON.stringify(rest)}`;
  const size = node.inputs[0]?.type.shape.slice(2) as unknown as readonly [number, number];
  const [k, s, d] = [kernel, stride ?? (node.op.endsWith("pool") ? kernel : 1), dilation ?? 1].map((v) => pairOf(v as Size)) as [
    readonly [number, number],
    readonly [number, number],
    readonly [number, number],
  ];
  const pads = resolvePad(pad as Pad, size, k, s, d);
  // one window over the whole map
  if (node.op === "avgpool" && pads.every((p) => p === 0) && k.every((n, i) => n === size[i])) return 'gap {"over":"hw"}';
  return `${node.op} ${JSON.stringify({ ...rest, k, s, d, pads })}`;
}

/** Every layer with the numbers of those it reads, from the logits back. */
function lines(graph: Graph): string[] {
  const by = new Map<Value, Node>(graph.nodes.map((n) => [n.output, n]));
  const numbers = new Map<Value, number>();
  const found: string[] = [];
  const show = (value: Value): number => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    const node = by.get(value);
    // Caffe's linear layers flatten by themselves, so a dropout stands on either side of a flatten
    if (node?.op === "dropout") return show(node.inputs[0] as Value);
    const inputs = (node?.inputs ?? []).map(show);
    numbers.set(value, found.length);
    return found.push(`${found.length}: ${node ? layerText(node) : "input"} (${inputs.join(" ")})`) - 1;
  };
  for (const { value } of graph.outputs) show(value);
  return found;
}

/** Without its last layer, the softmax that Caffe's files for inference end in. */
const withoutSoftmax = (text: string): string => text.slice(0, text.lastIndexOf("layer {"));

const AUTHORS = [
  ["SE-ResNet-50", "legacy_se_resnet.se", "legacy_se_resnet50", 28_088_024, 3.8605],
  ["SE-BN-Inception", "bn_inception.se", "se_bn_inception", 11_931_622, 2.0332],
] as const;

describe.each(AUTHORS)("%s.prototxt of the authors", (name, file, net, parameters, gmacs) => {
  test("is the net that ships, layer by layer", () => {
    const { graph } = imported(withoutSoftmax(authors(name)));
    const shipped = shippedGraph(file, net);
    expect(lines(graph)).toEqual(lines(shipped));
    expect(costOf(graph)).toMatchObject({ params: parameters, macs: costOf(shipped).macs });
    expect(costOf(graph).macs / 1e9).toBeCloseTo(gmacs, 4);
  });

  test("ends in a softmax, has its blocks and no weights", () => {
    const { model } = imported(authors(name));
    expect(model.weights).toBeUndefined();
    expect(model.net.nodes.at(-1)?.op).toBe("softmax");
    expect(model.spec.match(/: se\(hidden=\d+, bias=true\)/g)).toHaveLength(name === "SE-ResNet-50" ? 16 : 10);
    expect(model.spec).not.toContain(" mul {");
  });

  test("with the same weights gives the same logits, bit for bit", async () => {
    // small maps: the window of the head covers the whole last map here too
    const text = withoutSoftmax(authors(name)).replace(/kernel_size: 7(\s+stride: 1\s)/, "kernel_size: 1$1");
    const { graph } = imported(text, 32);
    const shipped = shippedGraph(file, net, { image: [1, 3, 32, 32] });
    const given = hashedReader(shipped);
    const theirs = shipped.weights.filter((w) => w.value.type.dtype === "f32");
    const ours = graph.weights.filter((w) => w.value.type.dtype === "f32");
    expect(ours.map((w) => w.value.type.shape)).toEqual(theirs.map((w) => w.value.type.shape));
    const tensors = ours.map((w, i) => ({
      name: w.path,
      shape: w.value.type.shape as readonly number[],
      data: given.read(theirs[i] as (typeof theirs)[number]),
    }));
    const { image } = inputsOf(shipped, 1) as { image: Float32Array };
    const answer = await outputOn(cpu, graph, readerOf(graph, writeSafetensors(tensors)), 1, { data: image });
    expect(answer).toEqual(await outputOn(cpu, shipped, given, 1, { image }));
  });
});

/** Files that may not lie here: written by this test, imported, and compared with what they were written from. */
test.each([
  ["senet154.se", "senet154", 115_088_984],
  ["legacy_se_resnet.se", "legacy_se_resnext50_32x4d", 27_559_896],
] as const)("%s: %s as a prototxt is the same net, layer by layer", (file, net, parameters) => {
  const shipped = shippedGraph(file, net);
  const { graph } = imported(caffeFiles(shipped).prototxt);
  expect(lines(graph)).toEqual(lines(shipped));
  expect(costOf(graph).params).toBe(parameters);
});

test("a small SE-ResNeXt through prototxt and caffemodel: the same logits, bit for bit", async () => {
  const text =
    'se 1\nuse "legacy_se_resnet.se"\n' +
    "net small from caffe_resnet([1, 1, 1, 1], strides=[1, 2], groups=32, group_width=4, classes=10, size=32) " +
    "{ insert se(bias=true) as se_module after @residual.main expect 4 }\n";
  const small = graphOf(text, "small");
  const weights = hashedReader(small);
  const { prototxt, model } = caffeFiles(small, weights);
  const { graph, model: read } = imported(prototxt, 32, model);
  expect(lines(graph)).toEqual(lines(small));
  const inputs = inputsOf(small, 1);
  const answer = await outputOn(cpu, graph, readerOf(graph, read.weights as Uint8Array), 1, inputs);
  expect(answer).toEqual(await outputOn(cpu, small, weights, 1, inputs));
});
