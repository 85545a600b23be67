/** ResNets and their relatives, VGG, DenseNet, SqueezeNet, the CIFAR nets, the paper's ablations: tensors, parameters, multiply-adds as published. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { costOf } from "../../compiler/analysis/cost.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { graphOf as graphOfText, shippedGraph } from "../judges/whole-nets.ts";
import { caffeLines, layerLines } from "./caffe-layers.ts";

interface Facts {
  readonly tensors: number;
  readonly parameters: number;
  readonly macs: number;
  readonly sha256: string;
}

/** Made by test/python/residual_lists.py. */
const torchvision = JSON.parse(readFileSync("test/fixtures/residual-lists.json", "utf8")) as Readonly<Record<string, Facts>>;

const made = new Map<string, Graph>();

function graphOf(file: string, net: string): Graph {
  const graph = made.get(net) ?? shippedGraph(`${file}.se`, net);
  made.set(net, graph);
  return graph;
}

/** One line for each tensor, in order: `name [a, b]`. */
const listOf = (graph: Graph): string[] => graph.weights.map((w) => `${w.path} [${w.value.type.shape.join(", ")}]`);

const published = (list: string): string[] => readFileSync(`test/fixtures/tensor-names/${list}.txt`, "utf8").trim().split("\n");

const parameters = (graph: Graph): number => costOf(graph).params;

const torchvisionFile = (net: string): string => (/^(wide|resnext)/.test(net) ? "resnet" : (/^[a-z]+/.exec(net) as RegExpExecArray)[0]);

test.each(Object.entries(torchvision))("%s is torchvision's: tensors in order, parameters, multiply-adds", (net, facts) => {
  const graph = graphOf(torchvisionFile(net), net);
  const list = listOf(graph);
  expect(list).toHaveLength(facts.tensors);
  expect(parameters(graph)).toBe(facts.parameters);
  expect(costOf(graph).macs).toBe(facts.macs);
  // `python3 test/python/zoo_lists.py NET` prints the lines
  expect(createHash("sha256").update(list.join("\n")).digest("hex"), list.join("\n")).toBe(facts.sha256);
});

/** The four tensors of a squeeze-and-excitation with biases. */
const gate = (path: string, channels: number, hidden: number): string[] => [
  `${path}.fc1.weight [${hidden}, ${channels}, 1, 1]`,
  `${path}.fc1.bias [${hidden}]`,
  `${path}.fc2.weight [${channels}, ${hidden}, 1, 1]`,
  `${path}.fc2.bias [${channels}]`,
];

/** The list of a net with a gate after the last batch norm of every unit: what timm and Cadene's port print for it. */
function withGates(list: readonly string[], label: string, hiddenOf: (channels: number) => number): string[] {
  const last = list.some((line) => line.startsWith("layer1.0.bn3.")) ? "bn3" : "bn2";
  const channels = new Map(
    list.filter((l) => l.includes(`.${last}.weight`)).map((l) => [l.split(".bn")[0], Number(/\[(\d+)\]/.exec(l)?.[1])]),
  );
  return list.flatMap((line) => {
    const unit = line.split(".bn")[0] as string;
    if (!line.startsWith("layer") || !line.includes(`.${last}.num_batches_tracked`)) return [line];
    const c = channels.get(unit) as number;
    return [line, ...gate(`${unit}.${label}`, c, hiddenOf(c))];
  });
}

/** timm's width: a multiple of 8, never below 8 (no limit on how much is lost by rounding). */
const timmHidden = (c: number): number => Math.max(8, Math.floor((c / 16 + 4) / 8) * 8);

describe("timm's names", () => {
  test.each([
    ["se_resnet50", "se_resnet50", "timm-seresnet50"],
    ["legacy_se_resnet", "legacy_se_resnet50", "timm-legacy-seresnet50"],
    ["senet154", "senet154", "timm-legacy-senet154"],
    ["resnet_deep", "eca_resnet50t", "timm-ecaresnet50t"],
  ])("%s.se, %s: %s, in order", (file, net, list) => {
    expect(listOf(graphOf(file, net))).toEqual(published(list));
  });

  test.each([
    ["resnet18", 11_779_624],
    ["resnet34", 21_960_416],
    ["resnet101", 49_326_872],
    ["resnet152", 66_821_848],
    ["resnext50_32x4d", 27_559_896],
    ["resnext101_32x4d", 48_955_416],
  ] as const)("se_%s is %s with gates of biased 1x1 convolutions", (net, count) => {
    const graph = graphOf("se_resnet", `se_${net}`);
    expect(listOf(graph)).toEqual(withGates(listOf(graphOf("resnet", net)), "se", timmHidden));
    expect(parameters(graph)).toBe(count);
  });

  test.each([
    ["resnet18", 11_778_592],
    ["resnet34", 21_958_868],
    ["resnet50", 28_088_024],
    ["resnet101", 49_326_872],
    ["resnet152", 66_821_848],
    ["resnext50_32x4d", 27_559_896],
    ["resnext101_32x4d", 48_955_416],
  ] as const)("legacy_se_%s has the names of Cadene's port", (net, count) => {
    const graph = graphOf("legacy_se_resnet", `legacy_se_${net}`);
    const base = listOf(graphOf("resnet", net)).map((line) =>
      line.replace(/^(conv1|bn1)\./, "layer0.$1.").replace(/^fc\./, "last_linear."),
    );
    expect(listOf(graph)).toEqual(withGates(base, "se_module", (c) => Math.floor(c / 16)));
    expect(parameters(graph)).toBe(count);
  });

  test("senet154_gluon has the shapes of senet154 and timm's names of today", () => {
    const stem = ["conv1.0", "conv1.1", "conv1.3", "conv1.4", "conv1.6", "bn1"];
    const old = ["conv1", "bn1", "conv2", "bn2", "conv3", "bn3"];
    const renamed = published("timm-legacy-senet154").map((line) =>
      line
        .replace(/^layer0\.(\w+)/, (_, part: string) => stem[old.indexOf(part)] as string)
        .replace(".se_module.", ".se.")
        .replace(/^last_linear\./, "fc."),
    );
    const graph = graphOf("senet154_gluon", "senet154_gluon");
    expect(listOf(graph)).toEqual(renamed);
    expect(parameters(graph)).toBe(115_088_984);
  });
});

/**
 * Giga multiply-adds: the Caffe files', the paper's, torch's; resnet20's by hand, for shortcuts without weights.
 * 3.86 and 4.09 of ResNet-50 differ by where a unit's stride sits.
 */
test.each([
  ["resnet", "resnet50", 4.089],
  ["se_resnet50", "se_resnet50", 4.092],
  ["legacy_se_resnet", "legacy_se_resnet50", 3.86],
  ["legacy_se_resnet", "legacy_se_resnet101", 7.575],
  ["legacy_se_resnet", "legacy_se_resnet152", 11.289],
  ["legacy_se_resnet", "legacy_se_resnext50_32x4d", 4.233],
  ["legacy_se_resnet", "legacy_se_resnext101_32x4d", 7.975],
  ["se_resnet", "se_resnext50_32x4d", 4.25],
  ["se_resnet", "se_resnext101_32x4d", 8.0],
  ["senet154", "senet154", 20.688],
  ["senet154_gluon", "senet154_gluon", 20.688],
  ["resnet_deep", "eca_resnet50t", 4.297],
  ["vgg", "vgg16_bn", 15.47],
  ["vgg", "se_vgg16_bn", 15.48],
  ["ablations", "resnet50_v1", 3.86],
  ["ablations", "se_r16", 3.87],
  ["ablations", "no_squeeze_resnet50", 4.27],
  ["cifar_resnet", "cifar_resnet20", 0.04055],
])("%s.se, %s: %d GMACs within half a percent", (file, net, giga) => {
  const ratio = costOf(graphOf(file, net)).macs / (giga * 1e9);
  expect(Math.abs(ratio - 1)).toBeLessThanOrEqual(0.005);
});

/** Blocks and output channels of ResNet-50's stages. */
const STAGES = [
  [3, 256],
  [4, 512],
  [6, 1024],
  [3, 2048],
] as const;
const RESNET50 = 25_557_032;

describe("parameters", () => {
  test.each([
    ["vgg", "se_vgg16_bn", 138_592_296],
    ["resnet_deep", "eca_resnet50t", 25_573_814],
    ["resnet_deep", "resnet50t", 25_573_728],
    ["cifar_resnet", "cifar_resnet20", 269_722],
    ["cifar_resnet", "cifar_resnet56", 853_018],
    ["cifar_resnet", "cifar_resnet110", 1_727_962],
    ["cifar_resnet", "cifar_resnet164", 1_703_258],
    ["cifar_wrn", "cifar_wrn16_8", 10_961_370],
    ["cifar_wrn", "cifar_wrn28_10", 36_479_194],
    ["ablations", "resnet50_v1", RESNET50],
    ["ablations", "se_r2", 45_676_584],
    ["ablations", "se_r4", 35_616_808],
    ["ablations", "se_r8", 30_586_920],
    ["ablations", "se_r16", 28_071_976],
    ["ablations", "se_r32", 26_814_504],
    ["ablations", "se_max", 28_071_976],
    ["ablations", "se_gate_relu", 28_071_976],
    ["ablations", "se_gate_tanh", 28_071_976],
    ["ablations", "se_gate_sigmoid", 28_071_976],
    ["ablations", "no_squeeze_resnet50", 28_071_976],
    ["ablations", "se_stage2", 25_581_608],
    ["ablations", "se_stage3", 25_688_104],
    ["ablations", "se_stage4", 26_343_464],
    ["ablations", "se_stage5", 27_129_896],
    ["ablations", "se_cheap", 26_499_112],
    ["relatives_resnet50", "cbam_resnet50", 28_073_576],
    ["relatives_resnet50", "ese_resnet50", 45_691_688],
    ["relatives_resnet50", "bam_resnet50", 25_915_099],
    ["relatives_resnet50", "sk_resnet50", 37_120_408],
    ["relatives_resnet50", "ge_resnet50", RESNET50],
    ["relatives_resnet50", "simam_resnet50", RESNET50],
  ])("%s.se, %s: %i", (file, net, count) => {
    expect(parameters(graphOf(file, net))).toBe(count);
  });

  test("se_vgg16_bn with biases", () => {
    const text = 'se 1\nuse "vgg.se"\nnet biased from se_vgg16_bn(bias=true) {}\n';
    expect(parameters(graphOfText(text, "biased"))).toBe(138_596_784);
  });

  /** What a block adds to a stage's last norm, by its channels. */
  const odd = (t: number): number => (t % 2 === 1 ? t : t + 1);
  const added: Readonly<Record<string, (c: number) => number>> = {
    eca: (c) => odd(Math.floor((Math.log2(c) + 1) / 2)),
    gc: (c) => (2 * c * c) / 8 + (3 * c) / 8 + 2 * c + 1,
    scse: (c) => (2 * c * c) / 16 + c / 16 + 2 * c + 1,
    // one 1x1 down with a norm, two up, all biased
    coord: (c, h = Math.max(8, c / 32)) => c * h + h + 2 * h + 2 * (c * h + c),
  };
  test.each(Object.keys(added))("%s_resnet50 adds what its block has, sixteen times", (block) => {
    const extra = STAGES.reduce((n, [blocks, c]) => n + blocks * (added[block] as (c: number) => number)(c), 0);
    expect(parameters(graphOf("relatives_resnet50", `${block}_resnet50`))).toBe(RESNET50 + extra);
  });

  test("gct_resnet50 adds three numbers for every channel a convolution reads", () => {
    const read = graphOf("resnet", "resnet50").weights.filter((w) => /^layer\d\.\d\.conv\d\.weight$/.test(w.path));
    expect(read).toHaveLength(48);
    const channels = read.reduce((n, w) => n + (w.value.type.shape[1] as number), 0);
    expect(parameters(graphOf("relatives_resnet50", "gct_resnet50"))).toBe(RESNET50 + 3 * channels);
  });

  /** Residual branches end with C channels: a gate without biases has two matrices of C * C // 16. */
  test.each([
    ["cifar_resnet", "resnet20", 3, [16, 32, 64]],
    ["cifar_resnet", "resnet56", 9, [16, 32, 64]],
    ["cifar_resnet", "resnet110", 18, [16, 32, 64]],
    ["cifar_resnet", "resnet164", 18, [64, 128, 256]],
    ["cifar_wrn", "wrn16_8", 2, [128, 256, 512]],
  ] as const)("%s.se, cifar_se_%s: the plain net and its gates", (file, net, units, widths) => {
    const gates = widths.reduce((n, c) => n + (units * 2 * c * c) / 16, 0);
    expect(parameters(graphOf(file, `cifar_se_${net}`))).toBe(parameters(graphOf(file, `cifar_${net}`)) + gates);
  });

  test.each([
    ["densenet", "se_densenet121", "densenet121", 58 * 2 * 32 * 2],
    ["squeezenet", "se_squeezenet1_1", "squeezenet1_1", [128, 128, 256, 256, 384, 384, 512, 512].reduce((n, c) => n + (2 * c * c) / 16, 0)],
  ] as const)("%s.se, %s: the plain net and its gates", (file, net, plain, gates) => {
    expect(parameters(graphOf(file, net))).toBe(parameters(graphOf(file, plain)) + gates);
  });
});

/** Names of a net that was trained before the gates came: an edit may not touch them, nor their order. */
test.each([
  ["vgg", "se_vgg16_bn", "vgg", "vgg16_bn"],
  ["densenet", "se_densenet121", "densenet", "densenet121"],
  ["squeezenet", "se_squeezenet1_1", "squeezenet", "squeezenet1_1"],
  ["cifar_resnet", "cifar_se_resnet164", "cifar_resnet", "cifar_resnet164"],
  ["cifar_wrn", "cifar_se_wrn16_8", "cifar_wrn", "cifar_wrn16_8"],
  ["ablations", "se_r16", "resnet", "resnet50"],
])("%s.se, %s: without the gates it is %s.se, %s", (file, net, plainFile, plain) => {
  const rest = listOf(graphOf(file, net)).filter((line) => !/(^|[._])se\./.test(line));
  expect(rest).toEqual(listOf(graphOf(plainFile, plain)));
});

describe("where the stride sits", () => {
  const strides = (file: string, net: string, unit: string): unknown[] =>
    ["conv1", "conv2"].map((conv) => graphOf(file, net).nodes.find((n) => n.path === `${unit}.${conv}`)?.attrs.stride);

  test.each([
    ["resnet", "resnet50", 1, 2],
    ["legacy_se_resnet", "legacy_se_resnet50", 2, 1],
    ["legacy_se_resnet", "legacy_se_resnext50_32x4d", 1, 2],
    ["senet154_gluon", "senet154_gluon", 1, 2],
    ["ablations", "resnet50_v1", 2, 1],
  ])("%s.se, %s", (file, net, first, second) => {
    expect(strides(file, net, "layer2.0")).toEqual([first, second]);
    expect(strides(file, net, "layer2.1")).toEqual([1, 1]);
  });
});

test("legacy_se_resnet50 is the authors' prototxt, layer by layer", () => {
  expect(layerLines(graphOf("legacy_se_resnet", "legacy_se_resnet50"))).toEqual(caffeLines("se-resnet-50"));
});
