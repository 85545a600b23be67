/** Says for every convolution how it is computed and why; backends read `algorithm`, people read `why` (--emit kernels, inspect). */
import type { ContractKernel, DepthwiseKernel, Kernel, Schedule } from "../../ir/kernel.ts";
import { type Capabilities, defineKernelPass, type OptimizeLevel } from "../pass.ts";

/** Fewer output tiles than this leave most of a GPU idle (kernels.md section 3.1). */
const FEW_TILES = 16;

/** Winograd's transforms cost as much as about this many products an output and channel on either side (kernels.md section 2.4). */
const LEAST_CHANNELS = 32;
/** Times fewer products than the direct form has, below which the transforms eat what is won: maps of few, odd lines. */
const LEAST_SAVING = 1.5;

const every = (list: readonly number[], wanted: number): boolean => list.every((v) => v === wanted);

/** Products of the direct form over those of F(2x2, 3x3), whose tiles may reach beyond the map; 0 where it does not apply. */
function winogradSaving({ kind, window: w }: ContractKernel | DepthwiseKernel): number {
  const plain = every(w.kernel, 3) && every([...w.stride, ...w.dilation, w.groups], 1);
  const whole = w.in[0] % 4 === 0 && w.out[0] % 8 === 0;
  if (kind === "depthwise" || !plain || !whole || Math.min(w.in[0], w.out[0]) < LEAST_CHANNELS) return 0;
  return (9 * w.out[1] * w.out[2]) / (16 * Math.ceil(w.out[1] / 2) * Math.ceil(w.out[2] / 2));
}

function schedule(k: ContractKernel | DepthwiseKernel, { arenas, winograd }: Capabilities, level: OptimizeLevel): Schedule {
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
  const saving = winograd && level === 2 ? winogradSaving(k) : 0;
  if (saving >= LEAST_SAVING)
    return { algorithm: "winograd", why: `3x3 by F(2x2, 3x3): ${saving.toFixed(2)} times fewer products; ${size} in the direct form` };
  return { algorithm: "implicit-matrix-product", ...tile, why: `${window} window read in place, no im2col copy: ${size}` };
}

export const chooseAlgorithm = defineKernelPass({
  name: "choose-algorithm",
  summary: "choose how each convolution is computed",
  minLevel: 1,
  run(program, { capabilities, level }) {
    if (!program.kernels.some((k) => k.kind === "contract" || k.kind === "depthwise")) return program;
    const kernels = program.kernels.map(
      (k): Kernel => (k.kind === "contract" || k.kind === "depthwise" ? { ...k, schedule: schedule(k, capabilities, level) } : k),
    );
    return { ...program, kernels };
  },
});
