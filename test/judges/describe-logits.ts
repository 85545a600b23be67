/** Logits of the cpu target against PyTorch's, at a reduced size and from the same hash-made weights. */
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { outputOn } from "./describe-torch.ts";
import { askTorch, differenceFromTorch, findTorch, torchInput } from "./torch.ts";
import { recordedMobile, torchvisionName } from "./torch-mobile.ts";
import type { ZooCase } from "./torch-zoo.ts";
import { hashedReader, shippedGraph } from "./whole-nets.ts";

/** Of the largest logit. */
const LIMIT = 1e-5;

/** The cpu target against what PyTorch computed, and against PyTorch itself where it is installed. */
export function testLogits(cases: readonly ZooCase[]): void {
  const python = findTorch();
  test.each(cases)("$net at $size: within 1e-5 of the largest logit of PyTorch", async ({ file, net, size }) => {
    const graph = shippedGraph(file, net, { image: [1, 3, size, size] });
    const ours = await outputOn(cpu as unknown as Backend, graph, hashedReader(graph), 1, torchInput(graph, 1));
    if (typeof ours === "string") throw new Error(ours);
    const name = torchvisionName(net);
    const difference = differenceFromTorch(ours, recordedMobile(name));
    console.log(`${net} at ${size}: ${difference.toExponential(1)} of the largest logit`);
    expect(difference).toBeLessThanOrEqual(LIMIT);
    if (process.env.CI && python === undefined) throw new Error("python3 with torch and torchvision is not installed");
    if (process.env.CI && python !== undefined)
      expect(differenceFromTorch(ours, askTorch(python, name, { size }))).toBeLessThanOrEqual(LIMIT);
  });
}
