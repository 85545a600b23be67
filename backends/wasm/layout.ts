/** Maps as kernels walk them: [image][row][pixel][channels], in bytes. Vectors are maps of one pixel. */
import { must } from "../../compiler/invariant.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import { sizesOf } from "./addressing.ts";

export { sizesOf };

/** Bytes of an f32. */
export const F32 = 4;

export interface MapLayout {
  /** Bytes from one image, row or pixel to the next. */
  readonly image: number;
  readonly row: number;
  readonly pixel: number;
  /** Bytes from the start of the value to its first pixel: the halo lies before it. */
  readonly base: number;
  /** Pixels of zeros on each side. */
  readonly halo: number;
}

/** Undefined for weights, for values of other ranks, and for maps whose channels are not innermost. */
export function mapIn({ storage }: Program, value: Value): MapLayout | undefined {
  const stored = storage.get(value);
  const sizes = sizesOf(value);
  if (!stored) return undefined;
  const pixel = stored.channels * F32;
  if (sizes.length === 2) return { image: pixel, row: pixel, pixel, base: 0, halo: 0 };
  if (sizes.length !== 4 || stored.order !== "nhwc") return undefined;
  const { halo } = stored;
  const row = (must(sizes[3], "width") + 2 * halo) * pixel;
  return { image: (must(sizes[2], "height") + 2 * halo) * row, row, pixel, base: halo * (row + pixel), halo };
}
