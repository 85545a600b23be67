/** Lowering and all kernel passes with the capabilities of the two kinds of kernel backend. */
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import { lowerGraph } from "../../compiler/lower.ts";
import { kernelPasses } from "../../compiler/passes/kernel-pipeline.ts";
import type { Capabilities, OptimizeLevel, Remark } from "../../compiler/passes/pass.ts";
import { runKernelPasses } from "../../compiler/passes/pipeline.ts";

export const gpu: Capabilities = {
  order: "nhwc",
  channelMultiple: 4,
  halo: false,
  kinds: ["contract", "depthwise", "excite"],
  arenas: "colored",
  alignment: 256,
  maxBuffers: 8,
};

export const cpu: Capabilities = { ...gpu, order: "nchw", channelMultiple: 1, arenas: "single", maxBuffers: Number.MAX_SAFE_INTEGER };

export interface Optimized {
  readonly program: Program;
  readonly remarks: readonly Remark[];
}

/** Every pass is verified. */
export function optimize(graph: Graph, capabilities: Capabilities = gpu, batch = 1, level: OptimizeLevel = 2): Optimized {
  const remarks: Remark[] = [];
  const diagnostics = new Diagnostics();
  const remark = (r: Remark): void => void remarks.push(r);
  const lowered = lowerGraph(graph, { batch, capabilities, level, diagnostics, remark });
  const context = { level, diagnostics, remark, training: false, capabilities };
  return { program: runKernelPasses(lowered, kernelPasses, context, { verify: true }), remarks };
}

export const kernelNames = (program: Program): string[] => program.kernels.map((k) => k.name);
