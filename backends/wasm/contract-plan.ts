/** Geometry of a contraction: which memory is walked how, in which groups of pixels, in which order. */
import type { ContractKernel, DepthwiseKernel, Program, Window } from "../../compiler/ir/kernel.ts";
import { type Ahead, type Level, linesAhead } from "./contract-tile.ts";
import { type FusedRead, type Fusion, fusionOf } from "./epilogue.ts";
import { F32, type MapLayout, mapIn } from "./layout.ts";
import { type Groups, groupElements, groupsOf, type Panels, panelsOf } from "./pack.ts";
import { type Binary, efficiencies, partition, rowsPerGroup, type TileRun, tileRuns, type Walk } from "./tiles.ts";

/** A map walked by output pixels: `image` bytes from one image to the next, `base` to the first pixel's first element. */
export interface Stream extends Walk {
  readonly image: number;
  readonly base: number;
}

export interface PixelGroup {
  readonly runs: readonly TileRun[];
  readonly lines: number;
  readonly width: number;
}

export interface ContractPlan {
  readonly fusion: Fusion;
  readonly groups: Groups;
  readonly panels: Panels;
  readonly products: number;
  readonly levels: readonly Level[];
  /** Input, output, then every map that the epilogue reads. */
  readonly streams: readonly Stream[];
  readonly images: number;
  /** Pixel groups of one image; the last may differ from the others. */
  readonly perImage: number;
  /** Per vectors of columns (index 0: four, 1: eight): groups but the last, the last. */
  readonly full: readonly [PixelGroup, PixelGroup];
  readonly last: readonly [PixelGroup, PixelGroup];
  /** Lines of pixels between groups. */
  readonly linesPerGroup: number;
  /** Whether the panels of all output channels are the inner loop, or the groups of pixels. */
  readonly panelsInside: boolean;
  /**
   * Whether all groups of channels are computed for a tile of pixels before the next tile: narrow groups use a part of each cache line, whose
   * other parts are the next groups'.
   */
  readonly groupsInside: boolean;
}

/** Does the input hold zeros wherever windows reach out of the map? */
export function haloSuffices(w: Window, { halo }: MapLayout): boolean {
  return ([0, 1] as const).every((i) => {
    const after = (w.out[i === 0 ? 1 : 2] - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] - w.pad[i] - (w.in[i === 0 ? 1 : 2] - 1);
    return w.pad[i] <= halo && after <= halo;
  });
}

/** The input as walked by the first tap of each output pixel's window. */
export function inputStream(w: Window, map: MapLayout): Stream {
  return {
    image: map.image,
    row: map.row * w.stride[0],
    pixel: map.pixel * w.stride[1],
    base: map.base - w.pad[0] * map.row - w.pad[1] * map.pixel,
  };
}

/** The output, or the part of a joined value that is. */
export function outputStream(program: Program, kernel: ContractKernel | DepthwiseKernel): MapLayout | undefined {
  const map = mapIn(program, (kernel.buffers[kernel.output] as { readonly value: Parameters<typeof mapIn>[1] }).value);
  return map && { ...map, base: map.base + (kernel.firstChannel ?? 0) * F32 };
}

/** Walk over (c, kw, kh) with neighbouring levels joined where memory is contiguous. */
export function productLevels(w: Window, inputs: number, map: MapLayout): Level[] {
  const levels: { count: number; stride: number }[] = [];
  for (const level of [
    { count: inputs, stride: F32 },
    { count: w.kernel[1], stride: w.dilation[1] * map.pixel },
    { count: w.kernel[0], stride: w.dilation[0] * map.row },
  ]) {
    if (level.count === 1) continue;
    const below = levels[levels.length - 1];
    if (below && below.count * below.stride === level.stride) below.count *= level.count;
    else levels.push({ ...level });
  }
  return levels;
}

/** Bytes that a core keeps near itself: what is walked again and again should fit. */
const NEAR = 192 * 1024;
/** Most and fewest pixels of a group where rows of the map do not matter. */
const FLAT_MOST = 120;
const FLAT_LEAST = 30;

export const mapsRead = (fusion: Fusion): [number, Extract<FusedRead, { form: "pixel" | "plane" }>][] =>
  [...fusion.reads].flatMap(([buffer, read]) => (read.form === "channel" ? [] : [[buffer, read] as [number, typeof read]]));

export function contractPlan(program: Program, kernel: ContractKernel | DepthwiseKernel, binary: Binary): ContractPlan | undefined {
  const w = kernel.window;
  const value = (b: number) => (kernel.buffers[b] as { readonly value: Parameters<typeof mapIn>[1] }).value;
  const input = mapIn(program, value(kernel.input));
  const output = outputStream(program, kernel);
  const fusion = fusionOf(program, kernel);
  if (!input || !output || !fusion || !haloSuffices(w, input)) return undefined;
  if (kernel.squeeze && kernel.squeeze.tiles !== 1) return undefined;
  const groups = groupsOf(w);
  const panels = panelsOf(groups.outputs);
  const products = groups.inputs * w.kernel[0] * w.kernel[1];
  const levels = productLevels(w, groups.inputs, input);
  const streams: Stream[] = [inputStream(w, input), output, ...mapsRead(fusion).map(([, read]) => read.layout)];
  const [, height, width] = w.out;
  const flat = streams.every((s) => height === 1 || s.row === width * s.pixel);
  const perImage = kernel.squeeze || [...fusion.reads.values()].some((r) => r.form === "channel" && r.image > 0) || isGated(kernel);
  const merged = flat && (w.batch === 1 || (!perImage && streams.every((s) => s.image === height * width * s.pixel)));
  const images = merged ? 1 : w.batch;
  const shape = flat ? { height: 1, width: merged ? w.batch * height * width : height * width } : { height, width };
  const cut = (vectors: 1 | 2) => efficiencies(binary, vectors);
  const group = (lines: number, columns: number): [PixelGroup, PixelGroup] =>
    [1, 2].map((v) => {
      const { rows } = partition(lines * columns, cut(v as 1 | 2));
      return { runs: tileRuns(lines, columns, rows, streams), lines, width: columns };
    }) as unknown as [PixelGroup, PixelGroup];
  const size = weightBytes(groups, products);
  const groupsInside = groups.count > 1 && panels.wide + (panels.narrow ? 1 : 0) === 1;
  const common = { fusion, groups, panels, products, levels, streams, images, groupsInside };
  if (flat) {
    const wanted = Math.min(FLAT_MOST, Math.max(FLAT_LEAST, Math.floor(16384 / products / 30) * 30));
    const count = Math.max(1, Math.floor(shape.width / wanted));
    const rest = shape.width - (count - 1) * wanted;
    return {
      ...common,
      perImage: count,
      full: group(1, count === 1 ? rest : wanted),
      last: group(1, rest),
      linesPerGroup: 0,
      panelsInside: panelsInside(size, shape.width * groups.inputs * F32),
    };
  }
  const lines = rowsPerGroup(shape.height, shape.width, cut(panels.wide > 0 ? 2 : 1));
  const count = Math.ceil(shape.height / lines);
  return {
    ...common,
    perImage: count,
    full: group(lines, shape.width),
    last: group(shape.height - (count - 1) * lines, shape.width),
    linesPerGroup: lines,
    panelsInside: panelsInside(size, w.in[1] * w.in[2] * groups.inputs * F32),
  };
}

const isGated = (k: ContractKernel | DepthwiseKernel): boolean => k.kind === "contract" && k.gate !== undefined;
const weightBytes = (groups: Groups, products: number): number => groupElements(groups.outputs, products) * F32;

/** The inner loop should walk again over the side that stays near. */
function panelsInside(weights: number, input: number): boolean {
  return weights <= NEAR && input > NEAR;
}

/** Bytes from one group of pixels to the next. */
export function groupStep(plan: ContractPlan, stream: Stream): number {
  return plan.linesPerGroup === 0 ? (plan.full[1] as PixelGroup).width * stream.pixel : plan.linesPerGroup * stream.row;
}

/** Loads ahead for a contraction: not where panels stay near anyway. */
export function aheadOf(plan: ContractPlan): Ahead | undefined {
  const count = (g: PixelGroup): number => g.runs.reduce((n, run) => n + run.count, 0);
  const tiles = count(plan.full[1]) * (plan.perImage - 1) + count(plan.last[1]);
  const [level] = plan.levels;
  if (plan.levels.length !== 1 || !level || plan.panelsInside || plan.images > 1) return undefined;
  return linesAhead(level.count, tiles);
}
