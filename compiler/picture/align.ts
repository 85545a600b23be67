/**
 * Horizontal places of slots in layers. Edges that are drawn straight tie slots to blocks; blocks are pushed to the left as far as the
 * widths of their neighbours allow, then those that hang loose move towards what they are connected with.
 */
import { must } from "../invariant.ts";
import type { Edge, Ranked, Step } from "./rank.ts";

const SPACE = 24;
const ROUNDS = 8;

/**
 * Of every vertex at most one edge that leaves it and one that arrives is drawn straight: those between neighbouring layers, the main way
 * before others; and all that long edges have between their ends. No two of them cross.
 */
function straightSteps({ slots, steps, trails, ranks }: Ranked, edges: readonly Edge[]): Step[] {
  const place = new Map<number, number>();
  for (const list of ranks)
    list.forEach((s, i) => {
      place.set(s, i);
    });
  const at = (s: number): number => must(place.get(s), "place");
  const byRank = new Map<number, Step[]>();
  const straight: Step[] = [];
  const starts = new Set<number>();
  const ends = new Set<number>();
  const isTrail = (s: Step): boolean => slots[s.from]?.vertex === undefined && slots[s.to]?.vertex === undefined;
  const offer = (s: Step): void => {
    if (starts.has(s.from) || ends.has(s.to)) return;
    const others = byRank.get(slots[s.from]?.rank ?? 0) ?? [];
    if (others.some((o) => (at(o.from) - at(s.from)) * (at(o.to) - at(s.to)) < 0)) return;
    byRank.set(slots[s.from]?.rank ?? 0, [...others, s]);
    straight.push(s);
    starts.add(s.from);
    ends.add(s.to);
  };
  const short = steps.filter((s) => trails[s.edge]?.length === 2);
  for (const main of [true, false]) for (const s of short) if (edges[s.edge]?.main === main) offer(s);
  for (const s of steps) if (isTrail(s)) offer(s);
  return straight;
}

/** Centres of all slots. */
export function align(ranked: Ranked, edges: readonly Edge[]): number[] {
  const { slots, ranks } = ranked;
  const straight = straightSteps(ranked, edges);
  const startOf = (s: Step): number => (slots[s.from]?.vertex === undefined ? 0 : (edges[s.edge]?.fromOffset ?? 0));
  const endOf = (s: Step): number => (slots[s.to]?.vertex === undefined ? 0 : (edges[s.edge]?.toOffset ?? 0));

  // a block is a chain of slots, each at a fixed distance from the first
  const next = new Map(straight.map((s) => [s.from, s]));
  const inside = new Set(straight.map((s) => s.to));
  const block = new Array<number>(slots.length).fill(-1);
  const offset = new Array<number>(slots.length).fill(0);
  let blocks = 0;
  slots.forEach((_, first) => {
    if (inside.has(first)) return;
    block[first] = blocks;
    for (let step = next.get(first); step; step = next.get(step.to)) {
      block[step.to] = blocks;
      offset[step.to] = (offset[step.from] as number) + startOf(step) - endOf(step);
    }
    blocks++;
  });

  const pairs: { left: number; right: number; distance: number }[] = [];
  for (const list of ranks)
    list.slice(1).forEach((s, i) => {
      const l = list[i] as number;
      const gap = ((slots[l]?.width ?? 0) + (slots[s]?.width ?? 0)) / 2 + SPACE;
      pairs.push({
        left: block[l] as number,
        right: block[s] as number,
        distance: gap + (offset[l] as number) - (offset[s] as number),
      });
    });

  const x = new Array<number>(blocks).fill(0);
  for (let round = 0, moved = true; moved && round <= blocks; round++) {
    moved = false;
    for (const { left, right, distance } of pairs) {
      const least = (x[left] as number) + distance;
      if ((x[right] as number) >= least) continue;
      x[right] = least;
      moved = true;
    }
  }

  const loose = looseEnds(ranked, straight, block);
  for (let round = 0; round < ROUNDS; round++)
    for (const [b, list] of loose) {
      const wanted = list.map((s) => {
        const own = block[s.from] === b ? s.from : s.to;
        const other = own === s.from ? s.to : s.from;
        const shift = own === s.from ? endOf(s) - startOf(s) : startOf(s) - endOf(s);
        return (x[block[other] as number] as number) + (offset[other] as number) + shift - (offset[own] as number);
      });
      const low = Math.max(...pairs.filter((p) => p.right === b).map((p) => (x[p.left] as number) + p.distance));
      const high = Math.min(...pairs.filter((p) => p.left === b).map((p) => (x[p.right] as number) - p.distance));
      const mean = wanted.reduce((n, w) => n + w, 0) / wanted.length;
      x[b] = Math.max(low, Math.min(high, mean));
    }
  return slots.map((_, s) => Math.round((x[block[s] as number] as number) + (offset[s] as number)));
}

/** Steps of blocks that no straight edge between two vertices holds in place. */
function looseEnds({ slots, steps }: Ranked, straight: readonly Step[], block: readonly number[]): ReadonlyMap<number, Step[]> {
  const held = new Set(straight.filter((s) => slots[s.from]?.vertex !== undefined).map((s) => block[s.from] as number));
  const isStraight = new Set(straight);
  const loose = new Map<number, Step[]>();
  for (const s of steps) {
    if (isStraight.has(s)) continue;
    for (const end of [s.from, s.to]) {
      const b = block[end] as number;
      if (!held.has(b)) loose.set(b, [...(loose.get(b) ?? []), s]);
    }
  }
  return loose;
}
