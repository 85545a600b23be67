/**
 * One attempt at placing values in arenas: each in turn goes where it costs least, given those placed before. `place-values.ts` makes
 * many attempts and keeps the best. Values are numbers here, indices into the list to place: an attempt must be cheap. So arenas keep their
 * scratch from value to value, and loops count: where few attempts are made the engine interprets them, and allocates for each step of `of`.
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

/** An arena of an attempt, and how the value whose turn it is would lie in it. */
interface Arena {
  size: number;
  /** What is placed here and alive with that value, from the bottom: the first `count`. */
  readonly beside: Int32Array;
  count: number;
  /** Kernels that would become mixed; FORBIDDEN where one must not. */
  mixes: number;
  /** The last kernel that was counted for it. */
  counted: number;
  offset: number;
  /** Bytes the arena would grow by. */
  growth: number;
  /** Bytes that the gap is larger than what it takes. */
  slack: number;
}

const FORBIDDEN = -1;

const newArena = (values: number): Arena => ({
  size: 0,
  beside: new Int32Array(values),
  count: 0,
  mixes: 0,
  counted: -1,
  offset: 0,
  growth: 0,
  slack: 0,
});

interface Placed {
  readonly arenas: Arena[];
  /** -1: not placed yet. */
  readonly arenaOf: Int32Array;
  readonly offsetOf: Float64Array;
  readonly mixed: Set<number>;
}

/** Adds value j to what lies beside another. Of two at one offset, the one that came first lies first. */
function insert(arena: Arena, j: number, offsetOf: Float64Array): void {
  const { beside } = arena;
  const offset = offsetOf[j] as number;
  let at = arena.count++;
  for (; at > 0 && (offsetOf[beside[at - 1] as number] as number) > offset; at--) beside[at] = beside[at - 1] as number;
  beside[at] = j;
}

/** What is placed and alive with the value whose turn it is, by arena. */
function findBeside(p: Placing, order: readonly number[], turn: number, { arenas, arenaOf, offsetOf }: Placed): void {
  const i = order[turn] as number;
  for (let a = 0; a < arenas.length; a++) (arenas[a] as Arena).count = 0;
  if (p.near) {
    const near = p.near[i] as readonly number[];
    for (let n = 0; n < near.length; n++) {
      const j = near[n] as number;
      const arena = arenaOf[j] as number;
      if (arena >= 0) insert(arenas[arena] as Arena, j, offsetOf);
    }
    return;
  }
  const [first, last] = p.live[i] as readonly [number, number];
  for (const j of order.slice(0, turn)) {
    const [from, to] = p.live[j] as readonly [number, number];
    if (from <= last && first <= to) insert(arenas[arenaOf[j] as number] as Arena, j, offsetOf);
  }
}

/** How many kernels become mixed when value i goes to an arena, by arena. The edges of one kernel follow each other. */
function countMixes(p: Placing, i: number, { price, banned }: Terms, { arenas, arenaOf, mixed }: Placed): void {
  for (let a = 0; a < arenas.length; a++) {
    const arena = arenas[a] as Arena;
    arena.mixes = 0;
    arena.counted = -1;
  }
  const edges = p.edges[i] as readonly Edge[];
  for (let n = 0; n < edges.length; n++) {
    const { other, kernel } = edges[n] as Edge;
    if ((arenaOf[other] as number) < 0 || mixed.has(kernel)) continue;
    const arena = arenas[arenaOf[other] as number] as Arena;
    if (arena.mixes === FORBIDDEN || arena.counted === kernel) continue;
    arena.counted = kernel;
    if (price === Number.POSITIVE_INFINITY || p.fixed.has(kernel) || banned.has(kernel)) arena.mixes = FORBIDDEN;
    else arena.mixes++;
  }
}

/** Value i is in `arena`: what became mixed by that. */
function addMixed(p: Placing, i: number, arena: number, { arenaOf, mixed }: Placed): void {
  const edges = p.edges[i] as readonly Edge[];
  for (let n = 0; n < edges.length; n++) {
    const { other, kernel } = edges[n] as Edge;
    if (arenaOf[other] === arena) mixed.add(kernel);
  }
}

/** The tightest gap that holds `need` bytes between what lies beside it, else on top of them. */
function findGap(arena: Arena, need: number, bytes: readonly number[], offsetOf: Float64Array): void {
  const { beside, count, size } = arena;
  let free = 0;
  arena.offset = -1;
  arena.slack = Number.POSITIVE_INFINITY;
  arena.growth = 0;
  for (let n = 0; n <= count; n++) {
    const j = beside[n] as number;
    const end = n === count ? size : (offsetOf[j] as number);
    const left = end - free - need;
    if (left >= 0 && left < arena.slack) {
      arena.offset = free;
      arena.slack = left;
    }
    if (n < count) free = Math.max(free, end + (bytes[j] as number));
  }
  if (arena.offset >= 0) return;
  arena.offset = free;
  arena.growth = Math.max(0, free + need - size);
  arena.slack = 0;
}

/** Places the values in this order. More than `most` arenas only where no other is allowed. */
export function attempt(p: Placing, order: readonly number[], terms: Terms): Attempt {
  const { most, price } = terms;
  const arenas: Arena[] = [];
  const arenaOf = new Int32Array(order.length).fill(-1);
  const offsetOf = new Float64Array(order.length);
  const mixed = new Set<number>();
  const placed: Placed = { arenas, arenaOf, offsetOf, mixed };
  const grew: number[] = [];

  for (let turn = 0; turn < order.length; turn++) {
    const i = order[turn] as number;
    const need = p.bytes[i] as number;
    findBeside(p, order, turn, placed);
    countMixes(p, i, terms, placed);
    let best: Arena | undefined;
    let cost = Number.POSITIVE_INFINITY;
    for (let a = 0; a < arenas.length; a++) {
      const arena = arenas[a] as Arena;
      if (arena.mixes === FORBIDDEN) continue;
      findGap(arena, need, p.bytes, offsetOf);
      const costs = arena.growth + (arena.mixes > 0 ? price * arena.mixes : 0);
      if (costs > cost || (costs === cost && arena.slack >= (best?.slack ?? 0))) continue;
      best = arena;
      cost = costs;
    }
    if (!best || (arenas.length < most && need < cost)) {
      best = newArena(order.length);
      best.growth = need;
      arenas.push(best);
    }
    if (best.growth > 0) grew.push(i);
    best.size += best.growth;
    const arena = arenas.indexOf(best);
    addMixed(p, i, arena, placed);
    arenaOf[i] = arena;
    offsetOf[i] = best.offset;
  }
  const sizes = arenas.map(({ size }) => size);
  return { arenas: sizes, arenaOf, offsetOf, mixed, total: sizes.reduce((a, b) => a + b, 0), grew };
}
