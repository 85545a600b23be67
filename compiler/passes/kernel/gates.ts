/** What the gate passes look for: the kernel that scales a value by the factors of an `excite` kernel. */
import type { Value } from "../../ir/graph.ts";
import type { Expr, Kernel, LoopKernel } from "../../ir/kernel.ts";
import { type Flow, readersOf, soleWriter } from "./flow.ts";
import { bufferValue, isMap, sizeOf } from "./join.ts";

/** out[n, c, y, x] = map[n, c, y, x] * factors[n, c], in either order. */
export interface Scaling {
  readonly slot: number;
  readonly kernel: LoopKernel;
  readonly map: Value;
  readonly factors: Value;
  readonly output: Value;
}

const isIndex = (e: Expr | undefined, name: string): boolean => e?.kind === "index" && e.name === name;

/** Whether the coordinates are the element's own: [n, c, y, x], where axes of size 1 may read 0. */
export function ownPosition(at: readonly Expr[], shape: readonly number[]): boolean {
  return ["n", "c", "y", "x"].slice(0, at.length).every((name, i) => isIndex(at[i], name) || (shape[i] === 1 && at[i]?.kind === "const"));
}

export function scalingAt(flow: Flow, slot: number): Scaling | undefined {
  const kernel = flow.slots[slot];
  if (!kernel || !isMap(kernel) || kernel.body.kind !== "binary" || kernel.body.fn !== "mul") return undefined;
  const { a, b } = kernel.body;
  if (a.kind !== "load" || b.kind !== "load") return undefined;
  const output = bufferValue(kernel, kernel.output);
  const [n = 1, c = 1] = sizeOf(output);
  if (!ownPosition(kernel.store, sizeOf(output)) || kernel.store.length !== 4) return undefined;
  for (const [map, factors] of [
    [a, b],
    [b, a],
  ] as const) {
    const [mapValue, factorValue] = [bufferValue(kernel, map.buffer), bufferValue(kernel, factors.buffer)];
    const writer = soleWriter(flow, factorValue);
    if (writer === undefined || flow.slots[writer]?.kind !== "excite") continue;
    const [fn, fc] = sizeOf(factorValue);
    if (fn !== n || fc !== c || !ownPosition(factors.at, [n, c]) || factors.at.length !== 2) continue;
    if (sizeOf(mapValue).join() !== sizeOf(output).join() || !ownPosition(map.at, sizeOf(output))) continue;
    return { slot, kernel, map: mapValue, factors: factorValue, output };
  }
  return undefined;
}

/** "gate" for a kernel that scales by a gate: what fused names say instead of "mul". */
export const gateLabel = (flow: Flow, slot: number): string | undefined => (scalingAt(flow, slot) ? "gate" : undefined);

/** Slots of the excite kernels that read these sums and nothing else reads them. */
export function excitesOf(flow: Flow, sums: Value): number[] | undefined {
  const slots = readersOf(flow, sums);
  return slots.length > 0 && slots.every((s) => flow.slots[s]?.kind === "excite") ? [...slots] : undefined;
}

/** u, when the kernel is nothing but sums[n, 0, c] = sum of u over its map, for gates. */
export function summedValue(flow: Flow, kernel: Kernel): Value | undefined {
  if (kernel.kind !== "loop" || kernel.reduce?.fn !== "add" || kernel.epilogue || kernel.body.kind !== "load") return undefined;
  const sums = bufferValue(kernel, kernel.output);
  if (!excitesOf(flow, sums)) return undefined;
  const u = bufferValue(kernel, kernel.body.buffer);
  return ownPosition(kernel.body.at, sizeOf(u)) ? u : undefined;
}
