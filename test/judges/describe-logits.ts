/** Logits of the cpu target against PyTorch's, at a reduced size and from the same hash-made weights. */
import { beforeAll, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { outputOn } from "./describe-torch.ts";
import { askTorchAll, differenceFromTorch, findTorch, type TorchOutput, torchInput } from "./torch.ts";
import { judgeName, recordedZoo, type ZooCase } from "./torch-zoo.ts";
import { hashedReader, shippedGraph } from "./whole-nets.ts";

/** Of the largest logit. */
const LIMIT = 1e-5;

/** The cpu target against what PyTorch computed, and in CI against PyTorch itself. */
export function testLogits(cases: readonly ZooCase[]): void {
  const asked = new Map<string, TorchOutput>();
  beforeAll(() => {
    if (!process.env.CI) return;
    const python = findTorch();
    if (python === undefined) throw new Error("python3 with torch and torchvision is not installed");
    // one process for all: importing torch takes longer than some of the nets
    const nets = cases.map(({ net, size }) => ({ net: judgeName(net), size }));
    for (const output of askTorchAll(python, nets)) asked.set(output.net, output);
  }, 600_000);
  test.each(cases)("$net at $size: within 1e-5 of the largest logit of PyTorch", async ({ file, net, size }) => {
    const graph = shippedGraph(file, net, { image: [1, 3, size, size] });
    const ours = await outputOn(cpu as unknown as Backend, graph, hashedReader(graph), 1, torchInput(graph, 1));
    if (typeof ours === "string") throw new Error(ours);
    const difference = differenceFromTorch(ours, recordedZoo(net));
    console.log(`${net} at ${size}: ${difference.toExponential(1)} of the largest logit`);
    expect(difference).toBeLessThanOrEqual(LIMIT);
    if (process.env.CI) expect(differenceFromTorch(ours, asked.get(judgeName(net)) as TorchOutput)).toBeLessThanOrEqual(LIMIT);
  });
}
