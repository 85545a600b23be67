/** npx tsx scripts/make-zoo-fixtures.ts: writes test/fixtures/torch-residual.json, samples of what PyTorch computes of torchvision's families. */
import { writeFileSync } from "node:fs";
import { askTorch, findTorch, type TorchOutput } from "../test/judges/torch.ts";
import { RESIDUAL_CASES, residualFixture } from "../test/judges/torch-zoo.ts";

/** A thousand logits, every thirteenth of which is kept. */
const EVERY = 13;

const python = findTorch();
if (!python) {
  console.error("make-zoo-fixtures: no Python with torch and torchvision; on Debian: apt-get install python3-torch python3-torchvision");
  process.exit(1);
}

// 9 significant digits are an f32, exactly
const digits = (v: number): number => Number(v.toPrecision(9));

const lines = RESIDUAL_CASES.map(({ net, size }) => {
  const asked = askTorch(python, net, { size, every: EVERY });
  const kept: TorchOutput = { ...asked, max: digits(asked.max), values: asked.values.map(digits) };
  return JSON.stringify(kept);
});
writeFileSync(residualFixture, `[\n${lines.join(",\n")}\n]\n`);
