/**
 * Places every value in an arena. With coloured arenas (kernels.md section 3.3) an output never shares an arena with an input of its dispatch,
 * because WebGPU refuses one buffer bound for reading and for writing, even at disjoint ranges.
 */
import { liveValues, peakBytes } from "../../analysis/liveness.ts";
import { placeValues } from "../../analysis/place-values.ts";
import { must } from "../../invariant.ts";
import type { Value } from "../../ir/graph.ts";
import type { Memory, Place, Program } from "../../ir/kernel.ts";
import { defineKernelPass } from "../pass.ts";
import { readsOf, writesOf } from "./flow.ts";

/** More buffers save nothing: what no dispatch separates shares an arena anyway. */
const MOST_COLORS = 4;

/** Outputs against inputs of each dispatch. */
function conflicts(program: Program): ReadonlyMap<Value, ReadonlySet<Value>> {
  const map = new Map<Value, Set<Value>>();
  const link = (a: Value, b: Value): void => {
    const set = map.get(a);
    if (set) set.add(b);
    else map.set(a, new Set([b]));
  };
  for (const k of program.kernels)
    for (const out of writesOf(k))
      for (const input of readsOf(k)) {
        if (!program.storage.has(input)) continue;
        link(out, input);
        link(input, out);
      }
  return map;
}

/** Addresses of all values; `arenas` are bytes of each, `lowerBound` the most bytes alive at one time. */
export function planFor(program: Program, alignment: number, colored: boolean): Memory {
  const items = liveValues(program);
  const lowerBound = peakBytes(items);
  const rules = { alignment, conflicts: colored ? conflicts(program) : new Map(), mostArenas: colored ? MOST_COLORS : 1 };
  const arenas = placeValues(items, rules, lowerBound);
  const found = new Map<Value, Place>();
  for (const [arena, { placed }] of arenas.entries())
    for (const { item, offset } of placed) found.set(item.value, { arena, offset, bytes: item.bytes, live: item.live });
  const places = new Map(items.map(({ value }) => [value, must(found.get(value), `place of ${value.name}`)]));
  return { arenas: arenas.map((a) => a.bytes), places, lowerBound };
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
