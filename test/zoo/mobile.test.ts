/** MobileNet, ShuffleNet, EfficientNet, RegNet, MnasNet, GhostNet: tensors, parameters, multiply-adds as published, and logits as PyTorch's. */
import { expect, test } from "vitest";
import { costOf } from "../../compiler/analysis/cost.ts";
import { testLogits } from "../judges/describe-logits.ts";
import { MOBILE_CASES } from "../judges/torch-zoo.ts";
import { graphOf } from "../judges/whole-nets.ts";
import { describePublished, factsOf, netGraph, publishedList, tensorLines } from "./published.ts";

describePublished((net) => !/inception|googlenet/.test(net));

/** Nets that torchvision has not: parameters as published, tensors, millions of multiply-adds. */
test.each([
  ["mobilenet_v1", 4_231_976, 164, 568.7],
  ["se_mobilenet_v1", 4_711_720, 190, 569.2],
  ["shufflenet_v1", 1_864_728, 295, 137.5],
  ["se_shufflenet_v1", 2_475_144, 327, 138.1],
  ["ghostnet", 5_182_508, 512, 141.2],
  ["efficientnet_b0", 5_288_548, 360, 385.8],
  ["efficientnet_b1", 7_794_184, 508, 686.8],
  ["efficientnet_b2", 9_109_994, 508, 993.6],
  ["efficientnet_b3", 12_233_232, 574, 1827.1],
  ["efficientnet_b4", 19_341_616, 706, 4393.8],
  ["efficientnet_b5", 30_389_784, 854, 10266.4],
  ["efficientnet_b6", 43_040_704, 986, 19067.6],
  ["efficientnet_b7", 66_347_960, 1200, 37745.9],
] as const)("%s: %i parameters", (net, parameters, tensors, macs) => {
  expect(factsOf(net)).toMatchObject({ parameters, tensors, macs: expect.closeTo(macs * 1e6, -5) });
});

test("efficientnet_b0 has the tensors of timm's, in order", () => {
  expect(tensorLines("efficientnet_b0")).toEqual(publishedList("timm-efficientnet-b0"));
});

/** The paper's stated millions of multiply-adds; its 140 and 142 for ShuffleNet are judged below. */
test.each([
  ["mobilenet_v1", 569],
  ["se_mobilenet_v1", 572],
] as const)("%s: the paper's %i MFLOPs within 0.5 %", (net, stated) => {
  expect(Math.abs(factsOf(net).macs / 1e6 / stated - 1)).toBeLessThanOrEqual(0.005);
});

/** ShuffleNet's paper, table 1: groups, channels of stage 2, "complexity" in millions. It counts the convolutions, not the classifier. */
test.each([
  [1, 144, 143],
  [2, 200, 140],
  [3, 240, 137],
  [4, 272, 133],
  [8, 384, 137],
] as const)("shufflenet_v1 with %i groups: table 1's figure for %i channels, %i M", (groups, c, stated) => {
  const widths = `[24, ${c}, ${2 * c}, ${4 * c}]`;
  const graph = graphOf(`se 1\nuse "shufflenet_v1.se"\nnet table1 from shufflenet_v1(widths=${widths}, groups=${groups}) {}\n`, "table1");
  expect(Math.round((costOf(graph).macs - 4 * c * 1000) / 1e6)).toBe(stated);
});

/**
 * What SE adds in the paper's table 3: 569 -> 572 and 140 -> 142. The squeeze is counted there, one operation for each pooled element,
 * beside the two matrices of the excitation.
 */
test.each([
  ["mobilenet_v1", 3],
  ["shufflenet_v1", 2],
] as const)("se_%s adds the paper's %i MFLOPs", (net, stated) => {
  const graph = netGraph(`se_${net}`);
  const pooled = graph.nodes.filter((n) => n.op === "gap" && n.path.includes(".se"));
  const squeezed = pooled.reduce(
    (n, { inputs }) => n + (inputs[0]?.type.shape ?? []).slice(1).reduce<number>((a, d) => a * Number(d), 1),
    0,
  );
  expect(Math.round((factsOf(`se_${net}`).macs - factsOf(net).macs + squeezed) / 1e6)).toBe(stated);
});

test("the units of ghostnet: half of the maps are cheap, the gate is a quarter wide", () => {
  const lines = tensorLines("ghostnet");
  const unit = lines.filter((l) => l.startsWith("blocks.3.0.") && l.includes(".weight [") && l.endsWith(", 1, 1]"));
  expect(unit).toEqual([
    "blocks.3.0.ghost1.primary_conv.0.weight [36, 24, 1, 1]",
    "blocks.3.0.se.conv_reduce.weight [20, 72, 1, 1]",
    "blocks.3.0.se.conv_expand.weight [72, 20, 1, 1]",
    "blocks.3.0.ghost2.primary_conv.0.weight [20, 72, 1, 1]",
    "blocks.3.0.shortcut.2.weight [40, 24, 1, 1]",
  ]);
});

testLogits(MOBILE_CASES);
