/**
 * How the pixels of a map are cut into register tiles (kernels.md: a tile is a list of pixels whose addresses are immediates, so it may
 * cross rows of the map).
 */

/** Which of the two binaries: relaxed SIMD with 6x8 tiles, or 4x8 with separate products and sums. */
export interface Binary {
  readonly relaxed: boolean;
}

/** Share of the peak by rows of a tile, eight columns; measured by bench/kernels. */
const RELAXED: readonly number[] = [0, 0.4, 0.62, 0.8, 0.93, 0.96, 1];
const PLAIN: readonly number[] = [0, 0.5, 0.85, 0.95, 1];
/** Four columns: a load of one vector of weights and one of each row for as many products. */
const RELAXED_NARROW: readonly number[] = [0, 0.2, 0.35, 0.5, 0.6, 0.65, 0.7, 0.73, 0.76, 0.78, 0.8, 0.81, 0.82];
const PLAIN_NARROW: readonly number[] = [0, 0.2, 0.4, 0.55, 0.65, 0.7, 0.73, 0.76, 0.8];

export function efficiencies({ relaxed }: Binary, vectors: 1 | 2): readonly number[] {
  if (vectors === 1) return relaxed ? RELAXED_NARROW : PLAIN_NARROW;
  return relaxed ? RELAXED : PLAIN;
}

export interface Partition {
  /** Rows of each tile, largest first. */
  readonly rows: readonly number[];
  /** Time in units of one row at the peak. */
  readonly cost: number;
}

/** The quickest sum of tile sizes that makes `total` rows. */
export function partition(total: number, efficiency: readonly number[]): Partition {
  const most = efficiency.length - 1;
  // far from the end the largest tile is the best
  const head = Math.max(0, Math.floor((total - 4 * most * most) / most));
  const rest = total - head * most;
  const cost = new Float64Array(rest + 1);
  const first = new Int32Array(rest + 1);
  for (let n = 1; n <= rest; n++) {
    cost[n] = Number.POSITIVE_INFINITY;
    for (let r = Math.min(n, most); r >= 1; r--) {
      const c = r / (efficiency[r] as number) + (cost[n - r] as number);
      if (c < (cost[n] as number) - 1e-9) {
        cost[n] = c;
        first[n] = r;
      }
    }
  }
  const rows: number[] = Array.from({ length: head }, () => most);
  for (let n = rest; n > 0; n -= first[n] as number) rows.push(first[n] as number);
  rows.sort((a, b) => b - a);
  return { rows, cost: head * (most / (efficiency[most] as number)) + (cost[rest] as number) };
}

/** One axis-aligned walk over memory: bytes from one pixel to the next and from one row to the next. */
export interface Walk {
  readonly pixel: number;
  readonly row: number;
}

/** `count` tiles of equal shape, one after another. All numbers are bytes, by walk. */
export interface TileRun {
  readonly rows: number;
  readonly count: number;
  /** From the group's start to the first tile. */
  readonly start: readonly number[];
  readonly step: readonly number[];
  /** offsets[walk][row], from the tile's start. */
  readonly offsets: readonly (readonly number[])[];
}

/** Cuts `lines` rows of `width` pixels. */
export function tileRuns(lines: number, width: number, tiles: readonly number[], walks: readonly Walk[]): TileRun[] {
  const at = (walk: Walk, p: number): number => Math.floor(p / width) * walk.row + (p % width) * walk.pixel;
  const runs: { -readonly [K in keyof TileRun]: TileRun[K] }[] = [];
  let p = 0;
  for (const rows of tiles) {
    const start = walks.map((w) => at(w, p));
    const from = p;
    const offsets = walks.map((w, i) => Array.from({ length: rows }, (_, r) => at(w, from + r) - (start[i] as number)));
    p += rows;
    const last = runs[runs.length - 1];
    const step = last?.start.map((s, i) => (start[i] as number) - s - (last.count - 1) * (last.step[i] ?? 0));
    const fits = last && step && last.rows === rows && equal(last.offsets, offsets) && (last.count === 1 || equal(last.step, step));
    if (fits) {
      last.count++;
      last.step = last.count === 2 ? step : last.step;
    } else runs.push({ rows, count: 1, start, step: walks.map(() => 0), offsets });
  }
  if (p !== lines * width) throw new RangeError(`tiles cover ${p} of ${lines * width} pixels`);
  return runs;
}

const equal = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** More tile bodies than this in one function cost more in code than they gain. */
const MOST_BODIES = 12;

/** Rows of the map in one group, so that groups of whole rows are cut with little waste and few different tiles. */
export function rowsPerGroup(height: number, width: number, efficiency: readonly number[]): number {
  let best = 1;
  let least = Number.POSITIVE_INFINITY;
  for (let lines = 1; lines <= Math.min(height, 8); lines++) {
    const tiles = (n: number): Partition => (n === 0 ? { rows: [], cost: 0 } : partition(n * width, efficiency));
    const whole = tiles(lines);
    const rest = tiles(height % lines);
    const bodies = lines === 1 ? new Set(whole.rows).size : whole.rows.length + rest.rows.length;
    if (bodies > MOST_BODIES) continue;
    const cost = (Math.floor(height / lines) * whole.cost + rest.cost) * (1 + 0.002 * bodies);
    if (cost < least) {
      least = cost;
      best = lines;
    }
  }
  return best;
}
