/** Families of torchvision that PyTorch judges at a reduced size: test/zoo/residual-torch.test.ts, scripts/make-torch-fixtures.ts. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TorchOutput } from "./torch.ts";

export interface ZooCase {
  readonly file: string;
  /** Our name and torchvision's. */
  readonly net: string;
  /** Height and width of the image. */
  readonly size: number;
}

/** VGG takes 32, where its pool repeats one pixel; the others what leaves 2x2 at the end. */
export const RESIDUAL_CASES: readonly ZooCase[] = [
  { file: "resnet.se", net: "resnet18", size: 64 },
  { file: "resnet.se", net: "resnext50_32x4d", size: 64 },
  { file: "resnet.se", net: "wide_resnet50_2", size: 64 },
  { file: "vgg.se", net: "vgg11", size: 32 },
  { file: "vgg.se", net: "vgg16_bn", size: 32 },
  { file: "densenet.se", net: "densenet121", size: 64 },
  { file: "squeezenet.se", net: "squeezenet1_1", size: 64 },
];

const FIXTURE = new URL("../fixtures/torch-residual.json", import.meta.url);

export const residualFixture = fileURLToPath(FIXTURE);

/** What PyTorch computed when the fixture was made: some of the outputs. */
export function recordedResidual(net: string): TorchOutput {
  const all = JSON.parse(readFileSync(FIXTURE, "utf8")) as readonly TorchOutput[];
  const found = all.find((o) => o.net === net);
  if (!found) throw new Error(`test/fixtures/torch-residual.json has no ${net}: run scripts/make-torch-fixtures.ts`);
  return found;
}
