/** The excitation of a gate: its dense layers are contractions of one pixel, so that their weights stream through the register tiles. */
import { must } from "../../compiler/invariant.ts";
import type { ContractKernel, ExciteKernel, LoopKernel } from "../../compiler/ir/kernel.ts";
import { expandToLoop, type Temp } from "../../compiler/ops/expand-kernel.ts";

/** The mean, then every layer, in order; what is no dense layer stays a loop. */
export function exciteKernels(kernel: ExciteKernel, temp: Temp): (LoopKernel | ContractKernel)[] {
  const [mean, ...layers] = expandToLoop(kernel, temp);
  return [
    must(mean, "mean"),
    ...layers.map((loop, i): LoopKernel | ContractKernel => {
      const layer = must(kernel.layers[i], "layer");
      if (layer.kind !== "dense") return loop;
      const { name, from, buffers, output } = loop;
      const window = {
        batch: kernel.batch,
        groups: 1,
        in: [layer.in, 1, 1],
        out: [layer.out, 1, 1],
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        pad: [0, 0, 0, 0],
      } as const;
      return { kind: "contract", name, from, buffers, window, input: 0, weight: 1, output, epilogue: must(loop.epilogue, "activation") };
    }),
  ];
}
