/** Places the vertices of one frame and routes its edges; a tall column is broken into several where few edges pass. */
import { must } from "../invariant.ts";
import { align } from "./align.ts";
import { type Edge, type Ranked, rank, type Vertex } from "./rank.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Arranged {
  readonly width: number;
  readonly height: number;
  /** Top left corners, by vertex. */
  readonly places: readonly Point[];
  /** From the lower side of one vertex to the upper side of another, by edge. */
  readonly routes: readonly (readonly Point[])[];
}

const GAP = 38;
const PORT_GAP = 22;
const GUTTER = 44;
/** Room for the turn of an edge that goes on in the next column. */
const TURN = 18;
/** Width to height that a page or a screen likes. */
const LIKED_SHAPE = 1.25;
const MOST_COLUMNS = 8;
/** Between edges that turn side by side. */
const LANE = 8;
const MOST_LANES = 5;
/** What a further column must bring, as a logarithm of the shape. */
const COLUMN_COST = 0.08;

interface Column {
  readonly ranks: readonly number[];
  /** Edges that come from the column before, right to left. */
  readonly lanes: readonly number[];
  readonly left: number;
  readonly width: number;
  readonly height: number;
}

interface Rows {
  readonly tops: readonly number[];
  readonly heights: readonly number[];
}

/** `wrapAbove`: a frame no higher than this stays in one column. */
export function arrange(vertices: readonly Vertex[], edges: readonly Edge[], wrapAbove: number): Arranged {
  const ranked = rank(vertices, edges);
  const centres = align(ranked, edges);
  const rows = rowsOf(vertices, ranked);
  const columns = chooseColumns(vertices, ranked, centres, rows, wrapAbove);

  // where each layer goes
  const turn = (c: Column | undefined): number => (c && c.lanes.length > 0 ? TURN + LANE * (c.lanes.length - 1) : 0);
  const height = Math.max(...columns.map((c, i) => turn(c) + c.height + turn(columns[i + 1])));
  const shift = new Map<number, Point & { column: number }>();
  const starts: number[] = [];
  let x = 0;
  columns.forEach((c, i) => {
    if (i > 0) x += GUTTER + LANE * (c.lanes.length - 1);
    const top = rows.tops[c.ranks[0] as number] as number;
    for (const r of c.ranks) shift.set(r, { x: x - c.left, y: turn(c) - top, column: i });
    starts.push(x);
    x += c.width;
  });
  const width = 2 * Math.ceil(x / 2);
  const at = (slot: number): Point & { column: number; bottom: number } => {
    const r = must(ranked.slots[slot], "slot").rank;
    const s = must(shift.get(r), "column of a layer");
    const y = (rows.tops[r] as number) + s.y;
    return { x: (centres[slot] as number) + s.x, y, bottom: y + (rows.heights[r] as number), column: s.column };
  };

  const places = vertices.map((v, i) => {
    const p = at(i);
    return { x: p.x - v.width / 2, y: v.port === "out" ? height : p.y };
  });
  const routes = edges.map((e, i) => {
    const points: Point[] = [];
    const trail = must(ranked.trails[i], "trail");
    let column = at(e.from).column;
    trail.forEach((slot, k) => {
      const p = at(slot);
      const isEnd = k === trail.length - 1;
      const px = p.x + (k === 0 ? e.fromOffset : isEnd ? e.toOffset : 0);
      if (p.column !== column) {
        const last = must(points.at(-1), "start of a route");
        const { lanes } = must(columns[p.column], "column");
        const lane = lanes.indexOf(i);
        const [down, up] = [last.y + TURN + LANE * lane, p.y - TURN - LANE * (lanes.length - 1 - lane)];
        const gutter = (starts[p.column] as number) - GUTTER / 2 - LANE * (lanes.length - 1 - lane);
        points.push({ x: last.x, y: down }, { x: gutter, y: down }, { x: gutter, y: up }, { x: px, y: up });
        column = p.column;
      }
      const vertex = vertices[slot];
      if (k === 0) points.push({ x: px, y: p.y + (vertex?.height ?? 0) });
      else points.push({ x: px, y: isEnd && vertex?.port === "out" ? height : p.y });
      if (!isEnd && points.at(-1)?.y !== p.bottom) points.push({ x: px, y: p.bottom });
    });
    return points;
  });
  return { width, height, places, routes };
}

function rowsOf(vertices: readonly Vertex[], { ranks, slots }: Ranked): Rows {
  const heights = ranks.map((list) => Math.max(0, ...list.map((s) => vertices[slots[s]?.vertex ?? -1]?.height ?? 0)));
  const isPort = (r: number): boolean => (ranks[r] ?? []).every((s) => vertices[slots[s]?.vertex ?? -1]?.port !== undefined);
  const tops: number[] = [];
  let y = 0;
  ranks.forEach((_, r) => {
    if (r > 0) y += (heights[r - 1] as number) + (isPort(r) || isPort(r - 1) ? PORT_GAP : GAP);
    tops.push(y);
  });
  return { tops, heights };
}

function columnsAt(breaks: readonly number[], ranked: Ranked, centres: readonly number[], rows: Rows): Column[] {
  const bounds = [0, ...breaks, ranked.ranks.length];
  return bounds.slice(1).map((end, i) => {
    const start = bounds[i] as number;
    const ranks = Array.from({ length: end - start }, (_, k) => start + k);
    let [left, right] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const r of ranks)
      for (const s of ranked.ranks[r] as readonly number[]) {
        const slot = must(ranked.slots[s], "slot");
        left = Math.min(left, (centres[s] as number) - slot.width / 2);
        right = Math.max(right, (centres[s] as number) + slot.width / 2);
      }
    const last = end - 1;
    const arriving = i === 0 ? [] : ranked.steps.filter((s) => ranked.slots[s.to]?.rank === start);
    return {
      ranks,
      lanes: arriving.sort((a, b) => (centres[b.from] as number) - (centres[a.from] as number)).map((s) => s.edge),
      left,
      width: right - left,
      height: (rows.tops[last] as number) + (rows.heights[last] as number) - (rows.tops[start] as number),
    };
  });
}

/** The fewest breaks that keep every column as low as `limit`; undefined when that cannot be. */
function breaksFor(limit: number, rows: Rows, mayBreak: readonly boolean[]): number[] | undefined {
  const breaks: number[] = [];
  let top = 0;
  let candidate: number | undefined;
  for (let r = 1; r < rows.tops.length; r++) {
    if (mayBreak[r]) candidate = r;
    if ((rows.tops[r] as number) + (rows.heights[r] as number) - top <= limit) continue;
    if (candidate === undefined) return undefined;
    breaks.push(candidate);
    top = rows.tops[candidate] as number;
    if ((rows.tops[r] as number) + (rows.heights[r] as number) - top > limit) return undefined;
    candidate = undefined;
  }
  return breaks;
}

/** The number of columns whose outline is nearest to the liked shape. */
function chooseColumns(vertices: readonly Vertex[], ranked: Ranked, centres: readonly number[], rows: Rows, wrapAbove: number): Column[] {
  const one = columnsAt([], ranked, centres, rows);
  const total = one[0]?.height ?? 0;
  // one part that is most of the height makes no columns
  if (total <= wrapAbove || Math.max(...rows.heights) > 0.6 * total) return one;
  const passing = ranked.ranks.map(() => 0);
  for (const s of ranked.steps) {
    const r = ranked.slots[s.to]?.rank ?? 0;
    passing[r] = (passing[r] ?? 0) + 1;
  }
  const isPort = (r: number): boolean => (ranked.ranks[r] ?? []).some((s) => vertices[ranked.slots[s]?.vertex ?? -1]?.port !== undefined);
  const mayBreak = passing.map((n, r) => r > 0 && n <= MOST_LANES && !isPort(r) && !isPort(r - 1));
  let best = one;
  let bestScore = Number.POSITIVE_INFINITY;
  for (let wanted = 1; wanted <= MOST_COLUMNS; wanted++) {
    // the lowest limit that so many columns can keep
    let [low, high] = [total / (wanted + 1), total];
    while (high - low > 1) {
      const middle = (low + high) / 2;
      if ((breaksFor(middle, rows, mayBreak)?.length ?? MOST_COLUMNS) < wanted) high = middle;
      else low = middle;
    }
    const columns = columnsAt(breaksFor(high, rows, mayBreak) ?? [], ranked, centres, rows);
    const width = columns.reduce((n, c) => n + c.width + GUTTER, -GUTTER);
    const shape = width / Math.max(...columns.map((c) => c.height));
    const score = Math.abs(Math.log(shape / LIKED_SHAPE)) + COLUMN_COST * columns.length;
    if (score < bestScore) [best, bestScore] = [columns, score];
  }
  return best;
}
