/** Says for every convolution how it is computed and why; backends read `algorithm`, people read `why` (--emit kernels, inspect). */
import type { ContractKernel, DepthwiseKernel, Kernel, Schedule } from "../../ir/kernel.ts";
import { type Capabilities, defineKernelPass } from "../pass.ts";

/** Fewer output tiles than this leave most of a GPU idle (kernels.md section 3.1). */
const FEW_TILES = 16;

const every = (list: readonly number[], wanted: number): boolean => list.every((v) => v === wanted);

function schedule(k: ContractKernel | DepthwiseKernel, { arenas }: Capabilities): Schedule {
  const { batch, groups, in: input, out, kernel, stride, pad } = k.window;
  const rows = batch * out[1] * out[2];
  const inner = (input[0] / groups) * kernel[0] * kernel[1];
  const columns = out[0] / groups;
  const size = `${rows} x ${columns} x ${inner}${groups > 1 ? `, ${groups} groups` : ""}`;
  const window = `${kernel.join("x")}${every(stride, 1) ? "" : `, stride ${stride[0] === stride[1] ? stride[0] : stride.join("x")}`}`;
  const tiles = Math.ceil(rows / 32) * Math.ceil(columns / 32) * groups;
  const tile = arenas === "single" ? {} : { tile: tiles < FEW_TILES ? "8x8" : "32x32" };
  if (k.kind === "depthwise")
    return {
      algorithm: "depthwise",
      why: `${window} of each channel by itself: ${inner} products an element, bound by memory, not by arithmetic`,
    };
  if (rows === batch && every(input.slice(1), 1))
    return { algorithm: "matrix-vector", ...tile, why: `one pixel an image: ${size}, each weight used once an image` };
  if (every([...kernel, ...stride], 1) && every(pad, 0))
    return { algorithm: "matrix-product", ...tile, why: `1x1, stride 1: the map is the matrix, ${size}` };
  return { algorithm: "implicit-matrix-product", ...tile, why: `${window} window read in place, no im2col copy: ${size}` };
}

export const chooseAlgorithm = defineKernelPass({
  name: "choose-algorithm",
  summary: "choose how each convolution is computed",
  minLevel: 1,
  run(program, { capabilities }) {
    if (!program.kernels.some((k) => k.kind === "contract" || k.kind === "depthwise")) return program;
    const kernels = program.kernels.map(
      (k): Kernel => (k.kind === "contract" || k.kind === "depthwise" ? { ...k, schedule: schedule(k, capabilities) } : k),
    );
    return { ...program, kernels };
  },
});
