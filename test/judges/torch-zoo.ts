/** Nets that PyTorch judges at a reduced size: families of torchvision, and the same with gates put in by hand (test/python/gated_nets.py). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TorchOutput } from "./torch.ts";

export interface ZooCase {
  readonly file: string;
  readonly net: string;
  /** Height and width of the image. */
  readonly size: number;
}

const at =
  (file: string, size = 64) =>
  (net: string): ZooCase => ({ file: `${file}.se`, net, size });

/** What leaves 2x2 at the end; VGG takes 32, where its pool repeats one pixel. */
export const RESIDUAL_CASES: readonly ZooCase[] = [
  ...["resnet18", "resnext50_32x4d"].map(at("resnet")),
  at("vgg", 32)("vgg16_bn"),
  at("densenet")("densenet121"),
  at("squeezenet")("squeezenet1_1"),
];

/** Judged by `npm run test:zoo`: large, and like one above. */
export const MORE_RESIDUAL_CASES: readonly ZooCase[] = [at("resnet")("wide_resnet50_2"), at("vgg", 32)("vgg11")];

export const MOBILE_CASES: readonly ZooCase[] = [
  at("mobilenet_v2")("mobilenet_v2"),
  at("mobilenet_v3_small")("mobilenet_v3_small"),
  at("shufflenet_v2")("shufflenet_v2_x1_0"),
  at("mnasnet")("mnasnet1_0"),
  at("efficientnet_torchvision")("torchvision_efficientnet_b0"),
  ...["regnet_x_400mf", "regnet_y_400mf"].map(at("regnet")),
];

/** 75 is the least that Inception-v3 takes. */
export const INCEPTION_CASES: readonly ZooCase[] = [at("googlenet")("googlenet"), at("inception_v3", 75)("inception_v3")];

/**
 * Every family of torchvision that has a gated form, the paper's places and its gates; ResNet-50 in timm's and in the authors' form.
 * Not se_gate_relu: gates without a limit make numbers that no float holds when batch statistics do not fit.
 */
export const GATED_CASES: readonly ZooCase[] = [
  ...["se_resnet18", "se_resnext50_32x4d"].map(at("se_resnet")),
  ...["se_pre", "se_post", "se_identity"].map(at("se_resnet50")),
  at("legacy_se_resnet")("legacy_se_resnet50"),
  at("ablations")("no_squeeze_resnet50"),
  at("densenet")("se_densenet121"),
  at("squeezenet")("se_squeezenet1_1"),
  at("googlenet")("se_googlenet"),
];

/** Judged by `npm run test:zoo`: large, or like one above. */
export const MORE_GATED_CASES: readonly ZooCase[] = [
  ...["se_resnet50", "se_3x3"].map(at("se_resnet50")),
  at("legacy_se_resnet")("legacy_se_resnext50_32x4d"),
  ...["se_max", "se_gate_tanh"].map(at("ablations")),
  at("vgg", 32)("se_vgg16_bn"),
  at("inception_v3", 75)("se_inception_v3"),
];

/** The name judge.py knows: ours has a prefix where timm's tensor names go by the plain one. */
export const judgeName = (net: string): string => net.replace(/^torchvision_/, "");

const FIXTURE = new URL("../fixtures/torch-zoo.json", import.meta.url);

export const zooFixture = fileURLToPath(FIXTURE);

/** What PyTorch computed when the fixture was made: some of the logits. */
export function recordedZoo(net: string): TorchOutput {
  const all = JSON.parse(readFileSync(FIXTURE, "utf8")) as readonly TorchOutput[];
  const found = all.find((o) => o.net === judgeName(net));
  if (!found) throw new Error(`test/fixtures/torch-zoo.json has no ${judgeName(net)}: run scripts/make-zoo-fixtures.ts`);
  return found;
}
