/** Layers of a drawing, from sources down, and the order in each: the first two steps of layered graph drawing. */
import { must } from "../invariant.ts";

export interface Vertex {
  readonly width: number;
  readonly height: number;
  /** Where values enter or leave the frame; ports have no size. */
  readonly port?: "in" | "out" | undefined;
}

export interface Edge {
  readonly from: number;
  readonly to: number;
  readonly main: boolean;
  /** Where the edge starts and ends, relative to the centres. */
  readonly fromOffset: number;
  readonly toOffset: number;
}

/** A vertex, or the place where a long edge passes a layer. */
export interface Slot {
  readonly vertex: number | undefined;
  readonly edge: number | undefined;
  readonly rank: number;
  readonly width: number;
}

/** Of an edge, from one layer to the next. */
export interface Step {
  readonly from: number;
  readonly to: number;
  readonly edge: number;
}

export interface Ranked {
  readonly slots: readonly Slot[];
  /** Slots by layer, left to right. */
  readonly ranks: readonly (readonly number[])[];
  readonly steps: readonly Step[];
  /** Slots that every edge passes, its ends included. */
  readonly trails: readonly (readonly number[])[];
}

/** What a passing edge keeps free. */
const TRAIL_WIDTH = 16;
const SWEEPS = 6;

/** Longest path; edges go from lower to higher numbers of vertices, ports excepted. */
function ranksOf(vertices: readonly Vertex[], edges: readonly Edge[]): number[] {
  const ranks = vertices.map(() => 0);
  const first = vertices.some((v) => v.port === "in") ? 1 : 0;
  const into = vertices.map((): number[] => []);
  for (const e of edges) into[e.to]?.push(e.from);
  const order = [...vertices.keys()].sort((a, b) => stage(vertices[a]) - stage(vertices[b]) || a - b);
  for (const v of order) {
    const port = vertices[v]?.port;
    ranks[v] = port === "in" ? 0 : Math.max(first, ...(into[v] ?? []).map((u) => (ranks[u] as number) + 1));
  }
  const last = Math.max(0, ...ranks);
  vertices.forEach((v, i) => {
    if (v.port === "out") ranks[i] = last;
  });
  return ranks;
}

const stage = (v: Vertex | undefined): number => (v?.port === "in" ? 0 : v?.port === "out" ? 2 : 1);

export function rank(vertices: readonly Vertex[], edges: readonly Edge[]): Ranked {
  const rankOf = ranksOf(vertices, edges);
  const slots: Slot[] = vertices.map((v, i) => ({ vertex: i, edge: undefined, rank: rankOf[i] as number, width: v.width }));
  const steps: Step[] = [];
  const trails = edges.map((e, i) => {
    const trail = [e.from];
    for (let r = (rankOf[e.from] as number) + 1; r < (rankOf[e.to] as number); r++) {
      trail.push(slots.length);
      slots.push({ vertex: undefined, edge: i, rank: r, width: TRAIL_WIDTH });
    }
    trail.push(e.to);
    for (let k = 1; k < trail.length; k++) steps.push({ from: must(trail[k - 1], "slot"), to: must(trail[k], "slot"), edge: i });
    return trail;
  });
  const ranks: number[][] = Array.from({ length: Math.max(0, ...rankOf) + 1 }, () => []);
  slots.forEach((s, i) => {
    ranks[s.rank]?.push(i);
  });
  return { slots, ranks: ordered(slots.length, ranks, steps), steps, trails };
}

/** Barycentres, downwards and upwards in turn; the order with the fewest crossings wins. */
function ordered(slots: number, start: readonly (readonly number[])[], steps: readonly Step[]): number[][] {
  const above = Array.from({ length: slots }, (): number[] => []);
  const below = Array.from({ length: slots }, (): number[] => []);
  for (const s of steps) {
    above[s.to]?.push(s.from);
    below[s.from]?.push(s.to);
  }
  const at = new Array<number>(slots).fill(0);
  const number = (list: readonly number[]): void => {
    list.forEach((s, i) => {
      at[s] = i;
    });
  };
  let ranks = start.map((r) => [...r]);
  for (const r of ranks) number(r);
  const sweep = (down: boolean): void => {
    const neighbours = down ? above : below;
    const indexes = [...ranks.keys()];
    for (const r of down ? indexes : indexes.reverse()) {
      const list = ranks[r] as number[];
      const centre = new Map(
        list.map((s) => {
          const near = neighbours[s] ?? [];
          return [s, near.length === 0 ? (at[s] as number) : near.reduce((n, m) => n + (at[m] as number), 0) / near.length];
        }),
      );
      list.sort((a, b) => (centre.get(a) as number) - (centre.get(b) as number) || (at[a] as number) - (at[b] as number));
      number(list);
    }
  };
  let best = ranks;
  let fewest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < SWEEPS && fewest > 0; i++) {
    sweep(i % 2 === 0);
    const crossings = countCrossings(ranks, below, at);
    if (crossings < fewest) {
      fewest = crossings;
      best = ranks.map((r) => [...r]);
    }
  }
  ranks = best;
  return ranks;
}

function countCrossings(ranks: readonly (readonly number[])[], below: readonly (readonly number[])[], at: readonly number[]): number {
  let crossings = 0;
  for (const list of ranks) {
    const ends = list.flatMap((s) => (below[s] ?? []).map((t) => [at[s] as number, at[t] as number] as const));
    for (let i = 0; i < ends.length; i++)
      for (let j = i + 1; j < ends.length; j++) {
        const [a, b] = [ends[i], ends[j]];
        if (a && b && (a[0] - b[0]) * (a[1] - b[1]) < 0) crossings++;
      }
  }
  return crossings;
}
