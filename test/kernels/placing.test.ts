/** The search for places, on random live ranges: plans are legal whatever the kernels look like, also without the table of neighbours. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { LiveValue } from "../../compiler/analysis/liveness.ts";
import { placeValues } from "../../compiler/analysis/place-values.ts";
import { type Attempt, attempt, type Dispatch, placingOf } from "../../compiler/analysis/placing.ts";

const ALIGNMENT = 256;

interface Problem {
  readonly items: readonly LiveValue[];
  readonly dispatches: readonly Dispatch[];
}

/** A net of `reads.length` kernels: kernel k writes value k + 1 and reads earlier ones, some of them from far above. */
function problemOf(reads: readonly (readonly number[])[], sizes: readonly number[], fixed: readonly boolean[]): Problem {
  const values = [0, ...reads.keys()].map((_, id) => ({ id, type: { dtype: "f32" as const, shape: [] }, name: `v${id}` }));
  const last = values.map((_, id) => Math.max(0, id - 1));
  const dispatches = reads.map((back, k): Dispatch => {
    const read = [...new Set(back.map((b) => k - (b % (k + 1))))];
    for (const id of read) last[id] = k;
    return {
      reads: read.map((id) => values[id] as (typeof values)[number]),
      writes: values.slice(k + 1, k + 2),
      mixable: !fixed[k % fixed.length],
    };
  });
  const items = values.map(
    (value, id): LiveValue => ({ value, bytes: sizes[id % sizes.length] as number, live: [Math.max(0, id - 1), last[id] as number] }),
  );
  return { items, dispatches };
}

const problems = fc
  .tuple(
    fc.array(fc.array(fc.nat(6), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 40 }),
    fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 12 }),
    fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
  )
  .map(([reads, sizes, fixed]) => problemOf(reads, sizes, fixed));

/** What is wrong with a plan. */
function faults({ items, dispatches }: Problem, plan: Attempt): string[] {
  const found: string[] = [];
  const arena = (i: number): number => plan.arenaOf[i] as number;
  const offset = (i: number): number => plan.offsetOf[i] as number;
  for (const [i, a] of items.entries()) {
    if (offset(i) % ALIGNMENT !== 0) found.push(`v${i} is not aligned`);
    if (offset(i) < 0 || offset(i) + a.bytes > (plan.arenas[arena(i)] ?? -1)) found.push(`v${i} lies outside`);
    for (const [j, b] of items.entries()) {
      if (j <= i || arena(i) !== arena(j) || a.live[0] > b.live[1] || b.live[0] > a.live[1]) continue;
      if (offset(i) < offset(j) + b.bytes && offset(j) < offset(i) + a.bytes) found.push(`v${i} and v${j} overlap`);
    }
  }
  for (const [k, { reads, writes, mixable }] of dispatches.entries()) {
    const shares = reads.some((r) => writes.some((w) => arena(r.id) === arena(w.id)));
    if (shares !== plan.mixed.has(k)) found.push(`kernel ${k} ${shares ? "shares an arena" : "is called mixed"}`);
    if (shares && !mixable) found.push(`kernel ${k} must not be mixed`);
  }
  return found;
}

test("plans are legal", () => {
  fc.assert(
    fc.property(problems, (problem) => {
      const plan = placeValues(problem.items, { alignment: ALIGNMENT, mostArenas: 3, dispatches: problem.dispatches });
      expect(faults(problem, plan)).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

test("a single arena has no kernel to keep apart", () => {
  fc.assert(
    fc.property(problems, ({ items }) => {
      const plan = placeValues(items, { alignment: ALIGNMENT, mostArenas: 1, dispatches: [] });
      expect(plan.arenas.length).toBe(1);
      expect(faults({ items, dispatches: [] }, plan)).toEqual([]);
    }),
    { numRuns: 50 },
  );
});

test("the table of neighbours changes nothing", () => {
  fc.assert(
    fc.property(problems, ({ items, dispatches }) => {
      const placing = placingOf(items, dispatches, ALIGNMENT);
      const terms = { most: 3, price: 1000, banned: new Set<number>() };
      const order = [...items.keys()];
      expect(placing.near).toBeDefined();
      expect(attempt({ ...placing, near: undefined }, order, terms)).toEqual(attempt(placing, order, terms));
    }),
    { numRuns: 50 },
  );
});

test("values that all stay alive are too many for the table, and are placed without it", () => {
  const count = 3000;
  const { items, dispatches } = problemOf(
    Array.from({ length: count }, () => [0]),
    [100],
    [false],
  );
  const kept = items.map((item): LiveValue => ({ ...item, live: [item.live[0], count - 1] }));
  expect(placingOf(kept, dispatches, ALIGNMENT).near).toBeUndefined();
  const plan = placeValues(kept, { alignment: ALIGNMENT, mostArenas: 3, dispatches });
  expect(plan.total).toBe(ALIGNMENT * (count + 1));
  expect(plan.arenas.length).toBeLessThanOrEqual(3);
  expect(plan.mixed.size).toBe(0);
});
