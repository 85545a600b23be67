/**
 * Places every value in an arena. With coloured arenas (kernels.md section 3.3) an output never shares an arena with an input of its dispatch,
 * because WebGPU refuses one buffer bound for reading and for writing, even at disjoint ranges.
 */
import { type Arena, alignUp, makeArena } from "../../analysis/arena.ts";
import { type LiveValue, liveValues, peakBytes } from "../../analysis/liveness.ts";
import type { Value } from "../../ir/graph.ts";
import type { Memory, Place, Program } from "../../ir/kernel.ts";
import { defineKernelPass } from "../pass.ts";
import { readsOf, writesOf } from "./flow.ts";

/** More buffers save nothing: what no dispatch separates shares an arena anyway. */
const MOST_COLORS = 4;

/** Values that must not share an arena, both ways. */
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

interface Plan {
  readonly arenas: readonly Arena[];
  readonly total: number;
}

type Conflicts = ReadonlyMap<Value, ReadonlySet<Value>>;

/** Gives each value, in this order, the arena that grows least; a new one only where every arena is forbidden or would grow as much. */
function placeInOrder(items: readonly LiveValue[], against: Conflicts, alignment: number, most: number): Plan {
  const arenas: Arena[] = [];
  const colors = new Map<Value, number>();
  for (const item of items) {
    const forbidden = new Set<number>();
    for (const other of against.get(item.value) ?? []) {
      const color = colors.get(other);
      if (color !== undefined) forbidden.add(color);
    }
    let choice: { color: number; offset: number; growth: number } | undefined;
    for (const [color, arena] of arenas.entries()) {
      if (forbidden.has(color)) continue;
      const fit = arena.fit(item);
      if (!choice || fit.growth < choice.growth) choice = { color, ...fit };
    }
    const fresh = alignUp(item.bytes, alignment);
    if (!choice || (choice.growth > fresh && arenas.length < most)) {
      arenas.push(makeArena(alignment));
      choice = { color: arenas.length - 1, offset: 0, growth: fresh };
    }
    (arenas[choice.color] as Arena).place(item, choice.offset);
    colors.set(item.value, choice.color);
  }
  return { arenas, total: arenas.reduce((sum, a) => sum + a.bytes(), 0) };
}

const duration = ({ live }: LiveValue): number => live[1] - live[0] + 1;

/** Orders worth trying; ties are broken by first use, so that the plan is the same on every engine. */
const orders: readonly ((a: LiveValue, b: LiveValue) => number)[] = [
  (a, b) => b.bytes - a.bytes,
  (a, b) => b.bytes * duration(b) - a.bytes * duration(a),
  (a, b) => a.live[0] - b.live[0],
  (a, b) => b.live[0] - a.live[0],
];

/** Addresses of all values; `arenas` are bytes of each, `lowerBound` the most bytes alive at one time. */
export function planFor(program: Program, alignment: number, colored: boolean): Memory {
  const items = liveValues(program);
  const against: Conflicts = colored ? conflicts(program) : new Map();
  let best: Plan | undefined;
  for (const order of orders) {
    const sorted = [...items.keys()]
      .sort((a, b) => order(items[a] as LiveValue, items[b] as LiveValue) || a - b)
      .map((i) => items[i] as LiveValue);
    const plan = placeInOrder(sorted, against, alignment, colored ? MOST_COLORS : 1);
    if (!best || plan.total < best.total) best = plan;
  }
  const found = new Map<Value, Place>();
  best?.arenas.forEach((arena, i) => {
    for (const { item, offset } of arena.placed) found.set(item.value, { arena: i, offset, bytes: item.bytes, live: item.live });
  });
  const places = new Map(items.map(({ value }) => [value, found.get(value) as Place]));
  return { arenas: best?.arenas.map((a) => a.bytes()) ?? [], places, lowerBound: peakBytes(items) };
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
