/**
 * Places every value in an arena. With coloured arenas (kernels.md section 3.3) an output never shares an arena with an input of its dispatch,
 * because WebGPU refuses one buffer bound for reading and for writing, even at disjoint ranges; save in a few mixed kernels, which bind such
 * inputs for writing too.
 */
import { liveValues, peakBytes } from "../../analysis/liveness.ts";
import { placeValues } from "../../analysis/place-values.ts";
import type { Dispatch } from "../../analysis/placing.ts";
import type { Kernel, Memory, Place, Program } from "../../ir/kernel.ts";
import { defineKernelPass } from "../pass.ts";
import { readsOf, writesOf } from "./flow.ts";

/** Every buffer more is memory that other dispatches cannot use. */
const MOST_ARENAS = 3;

function dispatchOf(kernel: Kernel, { storage }: Program): Dispatch {
  const stored = kernel.buffers.map((b) => b.value).filter((v) => storage.has(v));
  return {
    reads: readsOf(kernel).filter((v) => storage.has(v)),
    writes: writesOf(kernel),
    // bindings for writing must not overlap
    mixable: new Set(stored).size === stored.length,
  };
}

/** Addresses of all values; `arenas` are bytes of each, `lowerBound` the most bytes alive at one time. */
export function planFor(program: Program, alignment: number, colored: boolean): Memory {
  const items = liveValues(program);
  const dispatches = colored ? program.kernels.map((k) => dispatchOf(k, program)) : [];
  const { arenas, arenaOf, offsetOf, mixed } = placeValues(items, { alignment, mostArenas: colored ? MOST_ARENAS : 1, dispatches });
  const places = new Map(
    items.map(({ value, bytes, live }, i) => [
      value,
      { arena: arenaOf[i] as number, offset: offsetOf[i] as number, bytes, live } satisfies Place,
    ]),
  );
  return { arenas, places, lowerBound: peakBytes(items), mixed };
}

export const planMemory = defineKernelPass({
  name: "plan-memory",
  summary: "share memory between values that are not alive together",
  minLevel: 0,
  run: (program, { capabilities }): Program => ({
    ...program,
    memory: planFor(program, capabilities.alignment, capabilities.arenas === "colored"),
  }),
});
