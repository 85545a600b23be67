/** Horizontal places of slots in layers: the main way straight, long edges straight, nothing closer than it may be. */
import type { Edge, Ranked } from "./rank.ts";

const SPACE = 24;
const ROUNDS = 40;

/** How strongly the edges that are drawn straight pull, against the rest. */
const STRONG = 8;

/**
 * Of every vertex at most one edge that leaves it and one that arrives is drawn straight: those between neighbouring layers, the main way
 * before others. Vertices that have one follow no other edge, so that a chain is exactly one line.
 */
function straightEdges({ trails }: Ranked, edges: readonly Edge[]): ReadonlySet<number> {
  const straight = new Set<number>();
  const starts = new Set<number>();
  const ends = new Set<number>();
  for (const main of [true, false])
    edges.forEach((e, i) => {
      if (e.main !== main || trails[i]?.length !== 2 || starts.has(e.from) || ends.has(e.to)) return;
      straight.add(i);
      starts.add(e.from);
      ends.add(e.to);
    });
  return straight;
}

/** The nearest places to `wanted` that keep the order and the distances: isotonic regression by pooling neighbours. */
function separated(wanted: readonly number[], weights: readonly number[], distances: readonly number[]): number[] {
  const shift: number[] = [];
  let sum = 0;
  wanted.forEach((_, i) => {
    if (i > 0) sum += distances[i - 1] as number;
    shift.push(sum);
  });
  const blocks: { mean: number; weight: number; count: number }[] = [];
  wanted.forEach((w, i) => {
    let block = { mean: w - (shift[i] as number), weight: weights[i] as number, count: 1 };
    for (let last = blocks.at(-1); last && last.mean > block.mean; last = blocks.at(-1)) {
      blocks.pop();
      const weight = last.weight + block.weight;
      block = { mean: (last.mean * last.weight + block.mean * block.weight) / weight, weight, count: last.count + block.count };
    }
    blocks.push(block);
  });
  const out: number[] = [];
  for (const b of blocks) for (let k = 0; k < b.count; k++) out.push(b.mean + (shift[out.length] as number));
  return out;
}

/** Centres of all slots. */
export function align(ranked: Ranked, edges: readonly Edge[]): number[] {
  const { slots, ranks, steps } = ranked;
  const centres = new Array<number>(slots.length).fill(0);
  const gaps = ranks.map((list) =>
    list.slice(1).map((s, i) => ((slots[list[i] as number]?.width ?? 0) + (slots[s]?.width ?? 0)) / 2 + SPACE),
  );
  ranks.forEach((list, r) => {
    let x = 0;
    list.forEach((s, i) => {
      if (i > 0) x += gaps[r]?.[i - 1] ?? 0;
      centres[s] = x;
    });
  });
  const straight = straightEdges(ranked, edges);
  const chained = new Set([...straight].flatMap((i) => [edges[i]?.from, edges[i]?.to]));
  const near = slots.map((): { other: number; offset: number; weight: number }[] => []);
  for (const { from, to, edge } of steps) {
    const e = edges[edge];
    const [fromTrail, toTrail] = [slots[from]?.vertex === undefined, slots[to]?.vertex === undefined];
    const isStrong = straight.has(edge) || (fromTrail && toTrail);
    const weight = isStrong ? STRONG : 1;
    const start = fromTrail ? 0 : (e?.fromOffset ?? 0);
    const end = toTrail ? 0 : (e?.toOffset ?? 0);
    if (isStrong || !chained.has(from)) near[from]?.push({ other: to, offset: end - start, weight });
    if (isStrong || !chained.has(to)) near[to]?.push({ other: from, offset: start - end, weight });
  }
  const order = [...ranks.keys()];
  for (let round = 0; round < ROUNDS; round++) {
    for (const r of order) {
      const list = ranks[r] as readonly number[];
      const weights = list.map((s) => (near[s] ?? []).reduce((n, e) => n + e.weight, 0.01));
      const wanted = list.map((s, i) => {
        const pulls = near[s] ?? [];
        const sum = pulls.reduce((n, e) => n + e.weight * ((centres[e.other] as number) + e.offset), 0.01 * (centres[s] as number));
        return sum / (weights[i] as number);
      });
      separated(wanted, weights, gaps[r] ?? []).forEach((x, i) => {
        centres[list[i] as number] = x;
      });
    }
    order.reverse();
  }
  return centres.map((x) => Math.round(x));
}
