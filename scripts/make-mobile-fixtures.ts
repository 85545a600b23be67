/** npx tsx scripts/make-mobile-fixtures.ts: writes test/fixtures/torch-mobile.json, samples of what PyTorch computes of torchvision's nets. */
import { writeFileSync } from "node:fs";
import { askTorch, findTorch, type TorchOutput } from "../test/judges/torch.ts";
import { INCEPTION_CASES, MOBILE_CASES, mobileFixture, torchvisionName } from "../test/judges/torch-mobile.ts";

/** A thousand logits, every thirteenth of which is kept. */
const EVERY = 13;

const python = findTorch();
if (!python) {
  console.error("make-mobile-fixtures: no Python with torch and torchvision; on Debian: apt-get install python3-torch python3-torchvision");
  process.exit(1);
}

// 9 significant digits are an f32, exactly
const digits = (v: number): number => Number(v.toPrecision(9));

const lines = [...MOBILE_CASES, ...INCEPTION_CASES].map(({ net, size }) => {
  const asked = askTorch(python, torchvisionName(net), { size, every: EVERY });
  const kept: TorchOutput = { ...asked, max: digits(asked.max), values: asked.values.map(digits) };
  return JSON.stringify(kept);
});
writeFileSync(mobileFixture, `[\n${lines.join(",\n")}\n]\n`);
