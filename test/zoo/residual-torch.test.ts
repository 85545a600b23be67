/** Logits of torchvision's residual families, VGG, DenseNet and SqueezeNet on cpu, from the same weights, against PyTorch's. */
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { outputOn } from "../judges/describe-torch.ts";
import { askTorch, differenceFromTorch, findTorch, torchInput } from "../judges/torch.ts";
import { RESIDUAL_CASES, recordedResidual } from "../judges/torch-zoo.ts";
import { hashedReader, shippedGraph } from "../judges/whole-nets.ts";

/** Of the largest logit. */
const LIMIT = 1e-5;

const python = findTorch();

test.each(RESIDUAL_CASES)("$net at $size: within 1e-5 of the largest logit", async ({ file, net, size }) => {
  const graph = shippedGraph(file, net, { image: [1, 3, size, size] });
  const ours = await outputOn(cpu as unknown as Backend, graph, hashedReader(graph), 1, torchInput(graph, 1));
  if (typeof ours === "string") throw new Error(ours);
  const difference = differenceFromTorch(ours, recordedResidual(net));
  console.log(`${net} at ${size}: ${difference.toExponential(1)} of the largest logit`);
  expect(difference).toBeLessThanOrEqual(LIMIT);
  if (python !== undefined) expect(differenceFromTorch(ours, askTorch(python, net, { size }))).toBeLessThanOrEqual(LIMIT);
  else if (process.env.CI) throw new Error("python3 with torch and torchvision is not installed");
});
