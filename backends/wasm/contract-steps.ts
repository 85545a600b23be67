/** The steps of a convolution or linear layer: by Winograd or directly, with the gate on its inputs and the sums of its outputs. */
import { must } from "../../compiler/invariant.ts";
import type { ContractKernel, Program } from "../../compiler/ir/kernel.ts";
import { contractCode } from "./contract.ts";
import { bufferValue } from "./contract-operands.ts";
import { contractPlan } from "./contract-plan.ts";
import { gatedBytes, gatedInput } from "./gate.ts";
import type { KernelCode } from "./kernel-code.ts";
import { sumsStep } from "./sums.ts";
import type { Binary } from "./tiles.ts";
import { winogradSteps } from "./winograd.ts";

/** Undefined when the kernel is none that can be written so: its loop form works. */
export function contractSteps(program: Program, kernel: ContractKernel, binary: Binary): KernelCode[] | undefined {
  const winograd = kernel.schedule?.algorithm === "winograd" ? winogradSteps(program, kernel, binary) : undefined;
  if (winograd) return winograd;
  const best = contractPlan(program, kernel, binary);
  if (!best) return undefined;
  const scaling = kernel.gate === undefined ? undefined : gatedInput(program, kernel, best);
  const gating = scaling ? "done" : kernel.gate === undefined ? "none" : "panel";
  const plan = gating === "panel" ? { ...best, panelsInside: false, groupsInside: false } : best;
  const { squeeze } = kernel;
  const lanes = squeeze ? must(program.storage.get(bufferValue(kernel, squeeze.buffer)), "storage of sums").channels : 0;
  const direct = plan.perImage === 1;
  const sumsAt = scaling ? gatedBytes(program, kernel) : 0;
  return [
    ...(scaling ? [scaling] : []),
    contractCode(program, kernel, plan, binary, { gating, lanes, direct, sumsAt }),
    ...(squeeze && !direct ? [sumsStep(squeeze.buffer, kernel.window.batch, plan.perImage, lanes, sumsAt)] : []),
  ];
}
