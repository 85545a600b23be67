/**
 * Which arena and offset each value gets (kernels.md section 3.3): many cheap attempts (`placing.ts`) in different orders, first without
 * mixed kernels, then at falling prices for one; after each, what made an arena grow is placed earlier. At last the mixed kernels of the
 * best plan are forbidden one by one, to see whether it goes without. Large nets get few attempts: the whole is linear in their length.
 */
import { type LiveValue, peakBytes } from "./liveness.ts";
import { type Attempt, alignUp, attempt, type Dispatch, type Placing, placingOf } from "./placing.ts";

export interface PlacingRules {
  readonly alignment: number;
  /** More arenas only where nothing else is allowed. */
  readonly mostArenas: number;
  /** Kernels in order; none when a kernel may read and write one arena. */
  readonly dispatches: readonly Dispatch[];
}

/** Total over bytes alive at one time: the aim, and what a plan must keep to when the aim costs too many mixed kernels. */
const AIM = 1.05;
const MUST = 1.15;
/** The aim is worth mixing this part of the kernels: a mixed kernel reads through a binding that the hardware may not cache. */
const MIXED_PART = 1 / 4;
/** Of a mixed kernel, in parts of the bytes alive at one time. */
const PRICES = [Number.POSITIVE_INFINITY, 0.1, 0.04, 0.015, 0.004] as const;
/** Attempts: EFFORT / values, within these limits. */
const EFFORT = 10_000;
const ATTEMPTS = { least: 4, most: 200 } as const;

type Order = readonly number[];

/** Orders worth trying; ties are broken by first use, so that the plan is the same on every engine. */
function ordersOf({ bytes, live }: Placing): Order[] {
  const size = (i: number): number => bytes[i] as number;
  const first = (i: number): number => live[i]?.[0] ?? 0;
  const area = (i: number): number => size(i) * ((live[i]?.[1] ?? 0) - first(i) + 1);
  const rules: readonly ((a: number, b: number) => number)[] = [
    (a, b) => size(b) - size(a),
    (a, b) => area(b) - area(a),
    (a, b) => first(a) - first(b),
  ];
  return rules.map((rule) => [...bytes.keys()].sort((a, b) => rule(a, b) || a - b));
}

/** What made an arena grow goes forward by a part of its way to the front: alternately far and less far. */
function squeaking(order: Order, { grew }: Attempt, round: number): Order {
  const part = round % 2 === 0 ? 0.7 : 0.4;
  const rank = new Float64Array(order.length);
  for (let at = 0; at < order.length; at++) rank[order[at] as number] = at;
  for (let n = 1; n < grew.length; n++) rank[grew[n] as number] = (rank[grew[n] as number] as number) * part - 0.5;
  return [...order].sort((a, b) => (rank[a] as number) - (rank[b] as number));
}

const FAILED = 2;

/** How good a plan is: the grade first, then what is compared within it. */
interface Score {
  /** 0: good enough to stop when next to nothing is mixed; FAILED and above: not good enough. */
  readonly grade: number;
  readonly cost: readonly [number, number];
}

type Judge = (plan: Attempt) => Score;

/** Fewest mixed kernels among plans that keep to the aim, else to what they must; else fewest bytes. */
function judgeOf({ mostArenas, dispatches }: PlacingRules, bound: number): Judge {
  return ({ total, mixed, arenas }) => {
    const surplus = Math.max(0, arenas.length - mostArenas) * 4;
    if (dispatches.length === 0) return { grade: total <= bound ? 0 : 1, cost: [total, 0] };
    if (total <= AIM * bound && mixed.size <= MIXED_PART * dispatches.length) return { grade: surplus, cost: [mixed.size, total] };
    if (total <= MUST * bound) return { grade: surplus + 1, cost: [mixed.size, total] };
    return { grade: surplus + FAILED, cost: [total, mixed.size] };
  };
}

const less = (a: Score, b: Score): boolean => (a.grade - b.grade || a.cost[0] - b.cost[0] || a.cost[1] - b.cost[1]) < 0;

interface Best {
  readonly plan: Attempt;
  readonly score: Score;
  readonly order: Order;
  readonly price: number;
}

/** Arenas of the best plan found, with an arena and an offset for each item. */
export function placeValues(items: readonly LiveValue[], rules: PlacingRules): Attempt {
  const placing = placingOf(items, rules.dispatches, rules.alignment);
  // what rounding up costs is no fault of a plan
  const bound = peakBytes(items.map((i) => ({ ...i, bytes: alignUp(i.bytes, rules.alignment) })));
  const judge = judgeOf(rules, bound);
  const attempts = placing.near ? Math.min(ATTEMPTS.most, Math.max(ATTEMPTS.least, Math.floor(EFFORT / items.length))) : 1;
  const seeds = (rules.dispatches.length > 0 ? PRICES : PRICES.slice(0, 1)).flatMap((part) =>
    ordersOf(placing).map((order) => ({ order, price: part * bound })),
  );
  const tried = (order: Order, price: number, banned: ReadonlySet<number>): Best => {
    const plan = attempt(placing, order, { most: rules.mostArenas, price, banned });
    return { plan, score: judge(plan), order, price };
  };
  const none: ReadonlySet<number> = new Set();
  // strict plans come first: after them, one mixed kernel is as good as it gets
  const done = (best: Best | undefined): boolean =>
    best?.score.grade === 0 && best.plan.mixed.size <= (best.price < Number.POSITIVE_INFINITY ? 1 : 0);
  const search = (rounds: number): Best => {
    let best: Best | undefined;
    for (const { order: seed, price } of seeds.slice(0, attempts)) {
      let order = seed;
      for (let round = 0; round < rounds && !done(best); round++) {
        const found = tried(order, price, none);
        if (!best || less(found.score, best.score)) best = found;
        if (round + 1 < rounds) order = squeaking(order, found.plan, round);
      }
    }
    return best as Best;
  };
  const rounds = Math.max(1, Math.floor(attempts / seeds.length));
  let best = search(rounds);
  // a plan that is not good enough is worth the time, where it takes little
  if (best.score.grade >= FAILED && attempts > ATTEMPTS.least) best = search(rounds * 6);
  return withoutNeedless(best, tried, Math.floor(attempts / 2)).plan;
}

/** Forbids mixed kernels one by one, for as long as the plan gets better by it and `budget` attempts last. */
function withoutNeedless(found: Best, tried: (order: Order, price: number, banned: ReadonlySet<number>) => Best, budget: number): Best {
  let best = found;
  let left = budget;
  const banned = new Set<number>();
  let queue = [...best.plan.mixed];
  for (let kernel = queue.shift(); kernel !== undefined && left > 0; kernel = queue.shift()) {
    banned.add(kernel);
    let order = best.order;
    let better: Best | undefined;
    for (let round = 0; round < 2 && !better; round++, left--) {
      const next = tried(order, best.price, banned);
      if (less(next.score, best.score)) better = next;
      else order = squeaking(order, next.plan, round);
    }
    if (better) {
      best = better;
      queue = [...best.plan.mixed];
    } else banned.delete(kernel);
  }
  return best;
}
