/**
 * npx tsx scripts/make-torch-fixtures.ts: writes test/fixtures/torch-nets.json, samples of what PyTorch computes, and
 * test/fixtures/torch-step.json, one step of training (needs torch and torchvision).
 */
import { writeFileSync } from "node:fs";
import { askTorch, askTrainStep, findTorch, fixtureFile, stepFile, type TorchOutput, torchCases } from "../test/judges/torch.ts";

/** Numbers of each net that are kept. */
const SAMPLES = 120;

const python = findTorch();
if (!python) {
  console.error("make-torch-fixtures: no Python with torch and torchvision; on Debian: apt-get install python3-torch python3-torchvision");
  process.exit(1);
}

const lines = [...new Set(torchCases.map((c) => c.judge))].map((net) => {
  const all = askTorch(python, net);
  const every = Math.ceil(all.values.length / SAMPLES) | 1;
  // 9 significant digits are an f32, exactly
  const digits = (v: number): number => Number(v.toPrecision(9));
  const kept: TorchOutput = {
    ...all,
    every,
    max: digits(all.max),
    values: all.values.filter((_, i) => i % every === 0).map(digits),
  };
  return JSON.stringify(kept);
});
writeFileSync(fixtureFile, `[\n${lines.join(",\n")}\n]\n`);
writeFileSync(stepFile, `${JSON.stringify(askTrainStep(python))}\n`);
