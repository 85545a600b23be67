/** npx tsx scripts/make-zoo-fixtures.ts: writes test/fixtures/torch-zoo.json, samples of what PyTorch computes of torchvision's families, gated ones too. */
import { writeFileSync } from "node:fs";
import { askTorchAll, findTorch, type TorchOutput } from "../test/judges/torch.ts";
import {
  GATED_CASES,
  INCEPTION_CASES,
  judgeName,
  MOBILE_CASES,
  MORE_GATED_CASES,
  MORE_RESIDUAL_CASES,
  RESIDUAL_CASES,
  zooFixture,
} from "../test/judges/torch-zoo.ts";

/** A thousand logits, every thirteenth of which is kept. */
const EVERY = 13;

const python = findTorch();
if (!python) {
  console.error("make-zoo-fixtures: no Python with torch and torchvision; on Debian: apt-get install python3-torch python3-torchvision");
  process.exit(1);
}

// 9 significant digits are an f32, exactly
const digits = (v: number): number => Number(v.toPrecision(9));

const all = [...RESIDUAL_CASES, ...MORE_RESIDUAL_CASES, ...MOBILE_CASES, ...INCEPTION_CASES, ...GATED_CASES, ...MORE_GATED_CASES];
const cases = all.map(({ net, size }) => ({
  net: judgeName(net),
  size,
}));
const lines = askTorchAll(python, cases, { every: EVERY }).map((asked) => {
  const kept: TorchOutput = { ...asked, max: digits(asked.max), values: asked.values.map(digits) };
  return JSON.stringify(kept);
});
writeFileSync(zooFixture, `[\n${lines.join(",\n")}\n]\n`);
