/** Sizes of a Winograd convolution: how the map is cut into strips of tiles and the output channels into chunks, by a cost model. */
import type { Window } from "../../compiler/ir/kernel.ts";
import { F32 } from "./layout.ts";
import { type Binary, efficiencies, partition } from "./tiles.ts";

/** Elements of a transformed tile, 4x4: as many matrix products. */
export const POINTS = 16;

export interface WinogradPlan {
  /** 2x2 output tiles of one image. */
  readonly tileRows: number;
  readonly tileColumns: number;
  readonly oddRows: boolean;
  readonly oddColumns: boolean;
  readonly channels: number;
  /** Rows of tiles in one strip; divides `tileRows`. */
  readonly stripRows: number;
  readonly strips: number;
  readonly tiles: number;
  /** Register tiles that make `tiles`. */
  readonly rows: readonly number[];
  /** Panels of 8 output channels in one chunk; divides all panels. */
  readonly chunkPanels: number;
  readonly chunks: number;
  /** Bytes from one point to the next of the transformed input and of the products. */
  readonly vStride: number;
  readonly mStride: number;
  readonly tile: string;
  readonly why: string;
}

/** Bytes of a second-level cache that a strip may fill: beyond, its parts come from the third level. */
const NEAR = 384 * 1024;
/** Bytes a cycle from beyond the second level, next to arithmetic. */
const FAR_BYTES = 16;
/** Bytes of products of one chunk. */
const CHUNK_BYTES = 256 * 1024;

const divisors = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);

/** Not a multiple of a cache's way: the 16 lines of a tile must not fall into one set. */
function pointStride(bytes: number): number {
  const lines = Math.ceil(bytes / 64);
  return 64 * (lines % 2 === 0 ? lines + 1 : lines);
}

/** Undefined where channels do not fill whole panels. */
export function winogradPlan(w: Window, binary: Binary): WinogradPlan | undefined {
  const [outputs, height, width] = w.out;
  const channels = w.in[0];
  const square = (pair: readonly [number, number], n: number): boolean => pair[0] === n && pair[1] === n;
  if (!square(w.kernel, 3) || !square(w.stride, 1) || !square(w.dilation, 1) || w.groups !== 1) return undefined;
  if (outputs % 8 !== 0 || channels % 4 !== 0) return undefined;
  const [tileRows, tileColumns, panels] = [Math.ceil(height / 2), Math.ceil(width / 2), outputs / 8];
  // both binaries take one geometry, so that they share the expanded weights
  const efficiency = efficiencies({ relaxed: true }, 2);
  const weightBytes = POINTS * channels * outputs * F32;
  const cut = (stripRows: number) => {
    const tiles = stripRows * tileColumns;
    const { cost: rowCost } = partition(tiles, efficiency);
    const vStride = pointStride(tiles * channels * F32);
    const chunkPanels = Math.max(...divisors(panels).filter((d) => d === 1 || POINTS * tiles * d * 32 <= CHUNK_BYTES));
    const mStride = pointStride(tiles * chunkPanels * 32);
    const chunks = panels / chunkPanels;
    const strips = tileRows / stripRows;
    // cycles: one product of eight outputs a row, two multiply-adds a cycle
    const arithmetic = POINTS * rowCost * channels * panels;
    const far = weightBytes + (POINTS * (vStride + mStride) > NEAR ? POINTS * vStride * (1 + chunks) : 0);
    return { stripRows, tiles, vStride, chunkPanels, mStride, chunks, strips, cost: strips * (arithmetic + far / FAR_BYTES) };
  };
  const best = divisors(tileRows)
    .map(cut)
    .reduce((a, b) => (b.cost < a.cost ? b : a));
  const { cost: _, ...sizes } = best;
  const { rows } = partition(sizes.tiles, efficiencies(binary, 2));
  const direct = 9 * height * width;
  return {
    ...sizes,
    rows,
    tileRows,
    tileColumns,
    oddRows: height % 2 === 1,
    oddColumns: width % 2 === 1,
    channels,
    tile: `${Math.max(...rows)}x8`,
    why: [
      `${(direct / (POINTS * tileRows * tileColumns)).toFixed(2)} times fewer products than the direct form`,
      `${sizes.strips} strips of ${sizes.tiles} tiles, ${sizes.chunks} chunks of ${sizes.chunkPanels * 8} channels`,
      `${Math.round((POINTS * (sizes.vStride + sizes.mStride)) / 1024)} kB of transformed values at a time`,
    ].join("; "),
  };
}
