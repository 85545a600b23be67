/** The mobile and Inception nets that PyTorch judges at a reduced size (test/zoo/mobile.test.ts, inception.test.ts, scripts/make-mobile-fixtures.ts). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TorchOutput } from "./torch.ts";
import type { ZooCase } from "./torch-zoo.ts";

/** torchvision's name: ours has a prefix where timm's tensor names go by the plain one. */
export const torchvisionName = (net: string): string => net.replace(/^torchvision_/, "");

export const MOBILE_CASES: readonly ZooCase[] = [
  { file: "mobilenet_v2.se", net: "mobilenet_v2", size: 64 },
  { file: "mobilenet_v3_small.se", net: "mobilenet_v3_small", size: 64 },
  { file: "shufflenet_v2.se", net: "shufflenet_v2_x1_0", size: 64 },
  { file: "mnasnet.se", net: "mnasnet1_0", size: 64 },
  { file: "efficientnet_torchvision.se", net: "torchvision_efficientnet_b0", size: 64 },
  { file: "regnet.se", net: "regnet_x_400mf", size: 64 },
  { file: "regnet.se", net: "regnet_y_400mf", size: 64 },
];

/** 75 is the least that Inception-v3 takes. */
export const INCEPTION_CASES: readonly ZooCase[] = [
  { file: "googlenet.se", net: "googlenet", size: 64 },
  { file: "inception_v3.se", net: "inception_v3", size: 75 },
];

const FIXTURE = new URL("../fixtures/torch-mobile.json", import.meta.url);

export const mobileFixture = fileURLToPath(FIXTURE);

/** What PyTorch computed when the fixture was made: some of the logits. */
export function recordedMobile(net: string): TorchOutput {
  const all = JSON.parse(readFileSync(FIXTURE, "utf8")) as readonly TorchOutput[];
  const found = all.find((o) => o.net === net);
  if (!found) throw new Error(`test/fixtures/torch-mobile.json has no ${net}: run scripts/make-mobile-fixtures.ts`);
  return found;
}
