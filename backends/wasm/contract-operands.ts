/** What a contraction is called with: the addresses of its maps, panels, vectors and sums, and the weights it wants packed. */
import { must } from "../../compiler/invariant.ts";
import type { ContractKernel, Program } from "../../compiler/ir/kernel.ts";
import { type ContractPlan, mapsRead } from "./contract-plan.ts";
import type { Address, PackedTensor } from "./kernel-code.ts";
import { channelPacking, panelPacking } from "./pack.ts";

/** What happens beside the products: the gate on the inputs, channel sums (stored channels, straight into their buffer or in parts at `sumsAt`). */
export interface Side {
  readonly gating: "none" | "done" | "panel";
  readonly lanes: number;
  readonly direct: boolean;
  readonly sumsAt: number;
}

export const bufferValue = (kernel: ContractKernel, b: number) => must(kernel.buffers[b], `buffer ${b}`).value;

/** Places of parameters are those of the function, after the range of units. */
export function contractOperands(
  program: Program,
  kernel: ContractKernel,
  { fusion }: ContractPlan,
  { gating, direct, sumsAt }: Omit<Side, "lanes">,
) {
  const w = kernel.window;
  const weights = new Map(program.weights.map((x) => [x.value, x]));
  const weightOfBuffer = (b: number) => must(weights.get(bufferValue(kernel, b)), `weight ${b} of ${kernel.name}`);
  const packed: PackedTensor[] = [
    panelPacking(w, weightOfBuffer(kernel.weight), fusion.bias === undefined ? undefined : weightOfBuffer(fusion.bias)),
  ];
  const addresses: Address[] = [];
  const parameter = (a: Address): number => addresses.push(a) + 1;
  const maps = mapsRead(fusion);
  const streamParams = [
    parameter(gating === "done" ? { kind: "shared" } : { kind: "value", buffer: kernel.input }),
    parameter({ kind: "value", buffer: kernel.output }),
    ...maps.map(([buffer]) => parameter({ kind: "value", buffer })),
  ];
  const panelParam = parameter({ kind: "packed", index: 0 });
  const channelReads = [...fusion.reads].flatMap(([buffer, read]) => {
    if (read.form !== "channel") return [];
    const weight = weights.get(bufferValue(kernel, buffer));
    const address: Address = weight
      ? { kind: "packed", index: packed.push(channelPacking(weight, w.out[0])) - 1 }
      : { kind: "value", buffer };
    return [{ buffer, image: read.image, param: parameter(address) }];
  });
  const sumsParam =
    kernel.squeeze && parameter(direct ? { kind: "value", buffer: kernel.squeeze.buffer } : { kind: "shared", offset: sumsAt });
  const gateParam = gating === "panel" ? parameter({ kind: "value", buffer: must(kernel.gate, "gate") }) : undefined;
  const scratchParam = gating === "panel" ? parameter({ kind: "scratch" }) : undefined;
  return { packed, addresses, maps, streamParams, panelParam, channelReads, sumsParam, gateParam, scratchParam };
}
