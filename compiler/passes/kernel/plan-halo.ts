/**
 * Gives maps the zeros that convolutions read around them: where padding lies in memory, the address of every tap is affine and the inner
 * loop needs no test (kernels.md section 2.3). A value's halo is that of its widest reader.
 */
import type { Value } from "../../ir/graph.ts";
import type { Kernel, Program, Window } from "../../ir/kernel.ts";
import { defineKernelPass } from "../pass.ts";

/** A map that would grow by more than this stays without; its reader tests every tap. */
const MOST_GROWTH = 6;

/** Pixels that windows reach out of the map, the most of its four sides. */
function reach(w: Window): number {
  const sides = ([0, 1] as const).map((i) => {
    const last = (w.out[i === 0 ? 1 : 2] - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] - w.pad[i];
    return Math.max(w.pad[i], last - (w.in[i === 0 ? 1 : 2] - 1));
  });
  return Math.max(0, ...sides);
}

function wanted(kernel: Kernel): [Value, number] | undefined {
  if (kernel.kind !== "contract" && kernel.kind !== "depthwise") return undefined;
  const value = kernel.buffers[kernel.input]?.value;
  if (value?.type.shape.length !== 4) return undefined;
  const halo = reach(kernel.window);
  const [, , h = 1, w = 1] = value.type.shape as number[];
  return halo === 0 || (h + 2 * halo) * (w + 2 * halo) > MOST_GROWTH * h * w ? undefined : [value, halo];
}

export const planHalo = defineKernelPass({
  name: "plan-halo",
  summary: "store maps with the zeros that their readers pad with",
  minLevel: 1,
  run(program, { capabilities }): Program {
    if (!capabilities.halo) return program;
    const halos = new Map<Value, number>();
    for (const kernel of program.kernels) {
      const found = wanted(kernel);
      if (found) halos.set(found[0], Math.max(found[1], halos.get(found[0]) ?? 0));
    }
    let changed = false;
    const storage = new Map(program.storage);
    for (const [value, halo] of halos) {
      const old = storage.get(value);
      if (old?.order !== "nhwc" || old.halo >= halo) continue;
      storage.set(value, { ...old, halo });
      changed = true;
    }
    return changed ? { ...program, storage } : program;
  },
});
