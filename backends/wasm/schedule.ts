/** Says how a contraction is computed and why; printed by --emit kernels and sec inspect --target wasm. */
import type { ContractKernel, DepthwiseKernel, Schedule } from "../../compiler/ir/kernel.ts";
import type { ContractPlan, PixelGroup } from "./contract-plan.ts";
import { type Binary, efficiencies, partition } from "./tiles.ts";

const across = (g: PixelGroup): string => `${g.lines > 1 ? `${g.lines} rows of ` : ""}${g.width} pixels`;

export function contractSchedule(
  kernel: ContractKernel | DepthwiseKernel,
  plan: ContractPlan,
  binary: Binary,
  gating: "none" | "done" | "panel",
  { groupsInside, ahead }: { readonly groupsInside: boolean; readonly ahead: boolean },
): Schedule {
  const vectors = plan.panels.wide > 0 ? 2 : 1;
  const efficiency = efficiencies(binary, vectors);
  const group = plan.full[vectors - 1] as PixelGroup;
  const tiles = partition(group.lines * group.width, efficiency);
  const counts = new Map<number, number>();
  for (const rows of tiles.rows) counts.set(rows, (counts.get(rows) ?? 0) + 1);
  const cut = [...counts].map(([rows, count]) => `${count > 1 ? `${count} of ` : ""}${rows}x${vectors * 4}`).join(" + ");
  const { window: w } = kernel;
  const pointwise = w.kernel.every((k) => k === 1);
  const share = Math.round((100 * group.lines * group.width) / tiles.cost);
  const why = [
    `${plan.products} products an output, ${across(group)} as ${cut}: ${share} % of the peak by the tile table`,
    groupsInside
      ? "all groups of channels for one tile of pixels before the next: they share cache lines"
      : plan.panelsInside
        ? "all weights stay near, so the input is read once"
        : "a panel of weights stays near while the input streams",
    ...(ahead ? ["the next panel is loaded during its products"] : []),
    ...(gating === "done" ? ["the input is scaled by the gate first, it is smaller than the weights"] : []),
    ...(gating === "panel" ? ["the gate is multiplied into the weights, they are smaller than the input"] : []),
  ].join("; ");
  return {
    algorithm: w.in[1] * w.in[2] * w.out[1] * w.out[2] === 1 ? "matrix-vector" : pointwise ? "matrix-product" : "direct-convolution",
    tile: `${Math.max(...counts.keys())}x${vectors * 4}`,
    why,
  };
}
