/**
 * Which arena and offset each value gets (kernels.md section 3.3): a beam search over values, largest first, for nets of usual size;
 * one greedy pass, linear for bounded live ranges, for larger ones.
 */
import type { Value } from "../ir/graph.ts";
import { type Arena, alignUp, EMPTY_ARENA, type Fit, fitsInto, type Placed, placeAt } from "./arena.ts";
import type { LiveValue } from "./liveness.ts";

export type Conflicts = ReadonlyMap<Value, ReadonlySet<Value>>;

export interface PlacingRules {
  readonly alignment: number;
  /** Values that must not share an arena, both ways. */
  readonly conflicts: Conflicts;
  /** More arenas only where the conflicts demand them. */
  readonly mostArenas: number;
}

/** Plans kept at each step while the values that decide the size are placed: EFFORT / values, within these limits; and after. */
const EFFORT = 3000;
const BEAM = { least: 8, most: 48 } as const;
const SMALL_BEAM = 8;
/** Plans kept that put the same values together at other offsets. */
const ALIKE = 2;
/** A value is small below this part of the bound. */
const SMALL = 1 / 256;
/** Up to this many values the search looks at every pair; beyond, values only look at their neighbours in time. */
const SEARCHED = 400;

interface Plan {
  readonly arenas: readonly Arena[];
  readonly colors: ReadonlyMap<Value, number>;
  readonly total: number;
  /** Of each arena, a sum over its values that tells sets apart. */
  readonly sums: readonly number[];
}

interface Choice extends Fit {
  readonly color: number;
}

function forbiddenFor(item: LiveValue, colors: ReadonlyMap<Value, number>, conflicts: Conflicts): Set<number> {
  const forbidden = new Set<number>();
  for (const other of conflicts.get(item.value) ?? []) {
    const color = colors.get(other);
    if (color !== undefined) forbidden.add(color);
  }
  return forbidden;
}

/** Every arena the item may go to, a new one included. */
function choices(plan: Plan, item: LiveValue, rules: PlacingRules): Choice[] {
  const forbidden = forbiddenFor(item, plan.colors, rules.conflicts);
  const found: Choice[] = [];
  for (const [color, arena] of plan.arenas.entries())
    if (!forbidden.has(color)) for (const fit of fitsInto(arena, item, rules.alignment)) found.push({ color, ...fit });
  if (plan.arenas.length < rules.mostArenas || found.length === 0)
    found.push({ color: plan.arenas.length, offset: 0, growth: alignUp(item.bytes, rules.alignment) });
  return found;
}

function extend(plan: Plan, item: LiveValue, choice: Choice): Plan {
  const arenas = [...plan.arenas];
  arenas[choice.color] = placeAt(arenas[choice.color] ?? EMPTY_ARENA, item, choice);
  const sums = [...plan.sums];
  sums[choice.color] = ((sums[choice.color] ?? 0) + mix(item.value.id)) | 0;
  return { arenas, sums, colors: new Map(plan.colors).set(item.value, choice.color), total: plan.total + choice.growth };
}

const mix = (n: number): number => Math.imul(n ^ (n >>> 15), 0x2c1b3c6d) ^ Math.imul(n + 0x9e3779b9, 0x297a2d39);

/** Equal for plans that put the same values together, whatever the numbers of the arenas. */
function partitionKey(plan: Plan, item: LiveValue, color: number): number {
  let key = 0;
  for (let i = 0; i <= plan.arenas.length; i++) {
    const sum = (plan.sums[i] ?? 0) + (i === color ? mix(item.value.id) : 0);
    key = (key + mix(sum | 0)) | 0;
  }
  return key;
}

function beamSearch(order: readonly LiveValue[], rules: PlacingRules, bound: number): Plan {
  const beam = Math.min(BEAM.most, Math.max(BEAM.least, Math.floor(EFFORT / order.length)));
  let plans: readonly Plan[] = [{ arenas: [], colors: new Map(), total: 0, sums: [] }];
  for (const item of order) {
    const next = plans.flatMap((plan) => choices(plan, item, rules).map((choice) => ({ plan, choice, total: plan.total + choice.growth })));
    // sort is stable: equal totals keep the order of their makers
    next.sort((a, b) => a.total - b.total || a.plan.arenas.length - b.plan.arenas.length);
    const kept = new Map<number, number>();
    const width = item.bytes < SMALL * bound ? SMALL_BEAM : beam;
    const selected: Plan[] = [];
    for (const { plan, choice } of next) {
      if (selected.length >= width) break;
      const key = partitionKey(plan, item, choice.color);
      const count = kept.get(key) ?? 0;
      if (count >= ALIKE) continue;
      kept.set(key, count + 1);
      selected.push(extend(plan, item, choice));
    }
    plans = selected;
  }
  return plans[0] as Plan;
}

/** One pass; what is alive with a value is found by the kernels of its live range. */
function greedy(order: readonly LiveValue[], rules: PlacingRules): Plan {
  const arenas: { placed: Placed[]; bytes: number; readonly at: Map<number, Placed[]> }[] = [];
  const colors = new Map<Value, number>();
  for (const item of order) {
    const forbidden = forbiddenFor(item, colors, rules.conflicts);
    let best: Choice | undefined;
    for (const [color, arena] of arenas.entries()) {
      if (forbidden.has(color)) continue;
      const near = new Set<Placed>();
      for (let k = item.live[0]; k <= item.live[1]; k++) for (const p of arena.at.get(k) ?? []) near.add(p);
      const [fit] = fitsInto(arena, item, rules.alignment, [...near]);
      if (!fit) continue;
      if (!best || fit.growth < best.growth) best = { color, ...fit };
    }
    const fresh = alignUp(item.bytes, rules.alignment);
    if (!best || (best.growth > fresh && arenas.length < rules.mostArenas)) best = { color: arenas.length, offset: 0, growth: fresh };
    const arena = arenas[best.color] ?? { placed: [], bytes: 0, at: new Map<number, Placed[]>() };
    arenas[best.color] = arena;
    const placed = { item, offset: best.offset };
    arena.placed.push(placed);
    arena.bytes += best.growth;
    for (let k = item.live[0]; k <= item.live[1]; k++) arena.at.set(k, [...(arena.at.get(k) ?? []), placed]);
    colors.set(item.value, best.color);
  }
  return { arenas, colors, sums: [], total: arenas.reduce((sum, a) => sum + a.bytes, 0) };
}

const duration = ({ live }: LiveValue): number => live[1] - live[0] + 1;

/** Orders worth trying; ties are broken by first use, so that the plan is the same on every engine. */
const orders: readonly ((a: LiveValue, b: LiveValue) => number)[] = [
  (a, b) => b.bytes - a.bytes,
  (a, b) => b.bytes * duration(b) - a.bytes * duration(a),
  (a, b) => a.live[0] - b.live[0],
  (a, b) => b.live[0] - a.live[0],
];

/** Arenas with every item placed. `bound`: bytes no plan can go below, at which the search stops. */
export function placeValues(items: readonly LiveValue[], rules: PlacingRules, bound: number): readonly Arena[] {
  let best: Plan | undefined;
  for (const compare of orders) {
    if (best && best.total <= bound) break;
    const order = [...items.keys()]
      .sort((a, b) => compare(items[a] as LiveValue, items[b] as LiveValue) || a - b)
      .map((i) => items[i] as LiveValue);
    const plan = items.length <= SEARCHED ? beamSearch(order, rules, bound) : greedy(order, rules);
    if (!best || plan.total < best.total) best = plan;
  }
  return best?.arenas ?? [];
}
