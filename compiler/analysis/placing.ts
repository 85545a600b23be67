/**
 * One attempt at placing values in arenas: each in turn goes where it costs least, given those placed before. `place-values.ts` makes
 * many attempts and keeps the best. Values are numbers here, indices into the list to place: an attempt must be cheap.
 */
import type { Value } from "../ir/graph.ts";
import type { LiveValue } from "./liveness.ts";

/** What one kernel reads and writes: no arena may hold values of both kinds, unless the kernel is mixed. */
export interface Dispatch {
  readonly reads: readonly Value[];
  readonly writes: readonly Value[];
  /** Whether it may read and write one arena at all. */
  readonly mixable: boolean;
}

export interface Edge {
  readonly other: number;
  readonly kernel: number;
}

export interface Placing {
  /** Rounded up to the alignment. */
  readonly bytes: readonly number[];
  readonly live: readonly (readonly [first: number, last: number])[];
  /** What is alive together with each value; absent where that would be too large a table. */
  readonly near: readonly (readonly number[])[] | undefined;
  /** Of each value, the values on the other side of a kernel. */
  readonly edges: readonly (readonly Edge[])[];
  readonly fixed: ReadonlySet<number>;
}

export interface Attempt {
  readonly arenas: readonly number[];
  readonly arenaOf: Int32Array;
  readonly offsetOf: Float64Array;
  /** Kernels that read and write one arena. */
  readonly mixed: ReadonlySet<number>;
  readonly total: number;
  /** Values for which an arena had to grow, in the order of placing. */
  readonly grew: readonly number[];
}

export interface Terms {
  readonly most: number;
  /** What one more mixed kernel may cost in bytes; Infinity: there are none. */
  readonly price: number;
  /** Kernels that must not be mixed in this attempt. */
  readonly banned: ReadonlySet<number>;
}

/** Beyond this many pairs, neighbours are found by looking at all values of an arena. */
const MOST_PAIRS = 1_000_000;

export const alignUp = (n: number, alignment: number): number => Math.ceil(n / alignment) * alignment;

/** Sweeps over the kernels; linear when few values are alive at one time. */
function neighbours(live: Placing["live"]): number[][] | undefined {
  const near: number[][] = live.map(() => []);
  const byStart = [...live.keys()].sort((a, b) => (live[a]?.[0] ?? 0) - (live[b]?.[0] ?? 0) || a - b);
  let alive: number[] = [];
  let pairs = 0;
  for (const i of byStart) {
    const first = live[i]?.[0] ?? 0;
    alive = alive.filter((j) => (live[j]?.[1] ?? 0) >= first);
    pairs += alive.length;
    if (pairs > MOST_PAIRS) return undefined;
    for (const j of alive) {
      near[j]?.push(i);
      near[i]?.push(j);
    }
    alive.push(i);
  }
  return near;
}

export function placingOf(items: readonly LiveValue[], dispatches: readonly Dispatch[], alignment: number): Placing {
  const index = new Map(items.map(({ value }, i) => [value, i]));
  const edges: Edge[][] = items.map(() => []);
  for (const [kernel, { reads, writes }] of dispatches.entries())
    for (const out of writes)
      for (const input of reads) {
        const [a, b] = [index.get(out), index.get(input)];
        if (a === undefined || b === undefined) continue;
        edges[a]?.push({ other: b, kernel });
        edges[b]?.push({ other: a, kernel });
      }
  const live = items.map((i) => i.live);
  return {
    bytes: items.map((i) => alignUp(i.bytes, alignment)),
    live,
    near: neighbours(live),
    edges,
    fixed: new Set([...dispatches.keys()].filter((k) => !dispatches[k]?.mixable)),
  };
}

interface Fit {
  readonly offset: number;
  /** Bytes the arena grows by. */
  readonly growth: number;
  /** Bytes that the gap is larger than what it takes. */
  readonly slack: number;
}

/** The tightest gap that holds `need` bytes between the values of `list`, else on top of them. */
function fitBetween(list: readonly number[], need: number, size: number, bytes: readonly number[], offsets: Float64Array): Fit {
  let free = 0;
  let offset = -1;
  let slack = Number.POSITIVE_INFINITY;
  for (let n = 0; n <= list.length; n++) {
    const j = list[n] ?? -1;
    const end = j < 0 ? size : (offsets[j] as number);
    const left = end - free - need;
    if (left >= 0 && left < slack) {
      offset = free;
      slack = left;
    }
    if (j >= 0) free = Math.max(free, end + (bytes[j] as number));
  }
  return offset >= 0 ? { offset, growth: 0, slack } : { offset: free, growth: Math.max(0, free + need - size), slack: 0 };
}

/** What is placed and alive with value i, by arena, from the bottom. */
function around(p: Placing, i: number, members: readonly (readonly number[])[], arenaOf: Int32Array, offsetOf: Float64Array): number[][] {
  const lists: number[][] = members.map(() => []);
  if (p.near) {
    for (const j of p.near[i] as readonly number[]) {
      const arena = arenaOf[j] as number;
      if (arena >= 0) (lists[arena] as number[]).push(j);
    }
  } else {
    const [first, last] = p.live[i] as readonly [number, number];
    for (const [arena, list] of members.entries())
      for (const j of list) {
        const [from, to] = p.live[j] as readonly [number, number];
        if (from <= last && first <= to) (lists[arena] as number[]).push(j);
      }
  }
  for (const list of lists) if (list.length > 1) list.sort((a, b) => (offsetOf[a] as number) - (offsetOf[b] as number));
  return lists;
}

/** The kernels that become mixed when value i goes to an arena, by arena; undefined where it must not. */
function mixing(
  p: Placing,
  i: number,
  terms: Terms,
  count: number,
  arenaOf: Int32Array,
  mixed: ReadonlySet<number>,
): (number[] | undefined)[] {
  const lists: (number[] | undefined)[] = [];
  for (let arena = 0; arena < count; arena++) lists.push([]);
  for (const { other, kernel } of p.edges[i] as readonly Edge[]) {
    const arena = arenaOf[other] as number;
    if (arena < 0 || mixed.has(kernel)) continue;
    const list = lists[arena];
    if (terms.price === Number.POSITIVE_INFINITY || p.fixed.has(kernel) || terms.banned.has(kernel)) lists[arena] = undefined;
    else if (list && !list.includes(kernel)) list.push(kernel);
  }
  return lists;
}

/** Places the values in this order. More than `most` arenas only where no other is allowed. */
export function attempt(p: Placing, order: readonly number[], terms: Terms): Attempt {
  const { most, price } = terms;
  const arenaOf = new Int32Array(order.length).fill(-1);
  const offsetOf = new Float64Array(order.length);
  const arenas: number[] = [];
  const members: number[][] = [];
  const mixed = new Set<number>();
  const grew: number[] = [];

  for (const i of order) {
    const need = p.bytes[i] as number;
    const lists = around(p, i, members, arenaOf, offsetOf);
    const mixes = mixing(p, i, terms, arenas.length, arenaOf, mixed);
    let best = -1;
    let cost = Number.POSITIVE_INFINITY;
    let at: Fit = { offset: 0, growth: need, slack: 0 };
    for (let arena = 0; arena < arenas.length; arena++) {
      const kernels = mixes[arena];
      if (!kernels) continue;
      const fit = fitBetween(lists[arena] as number[], need, arenas[arena] as number, p.bytes, offsetOf);
      const costs = fit.growth + (kernels.length > 0 ? price * kernels.length : 0);
      if (costs > cost || (costs === cost && fit.slack >= at.slack)) continue;
      best = arena;
      cost = costs;
      at = fit;
    }
    if (best < 0 || (arenas.length < most && need < cost)) {
      best = arenas.length;
      at = { offset: 0, growth: need, slack: 0 };
      arenas.push(0);
      members.push([]);
    }
    if (at.growth > 0) grew.push(i);
    arenas[best] = (arenas[best] as number) + at.growth;
    arenaOf[i] = best;
    offsetOf[i] = at.offset;
    (members[best] as number[]).push(i);
    for (const kernel of mixes[best] ?? []) mixed.add(kernel);
  }
  return { arenas, arenaOf, offsetOf, mixed, total: arenas.reduce((a, b) => a + b, 0), grew };
}
