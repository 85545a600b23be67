/** Arguments of F.interpolate and nn.Upsample. */
import type { NodeOf } from "../../compiler/ops/index.ts";
import { pairOf, spatial } from "../../compiler/ops/shape.ts";
import { type Arg, named } from "./expr.ts";
import { compact, type Holes, inputType } from "./holes.ts";

/** PyTorch multiplies by an f32 ratio; the language's nearest pixel is floor(i * from / to) in whole numbers. */
export const nearestIndex = (from: number, to: number): number[] => Array.from({ length: to }, (_, i) => Math.floor((i * from) / to));

function ratioIsExact(from: number, to: number): boolean {
  const ratio = Math.fround(from / to);
  return nearestIndex(from, to).every((want, i) => Math.floor(Math.fround(i * ratio)) === want);
}

/** Undefined where PyTorch's nearest pixel would be another. */
export function upsampleArgs(node: NodeOf<"upsample">, h: Holes): Arg[] | undefined {
  const { scale, mode, align } = node.attrs;
  const from = spatial(inputType(node));
  const to = spatial(node.output.type);
  if (mode === "nearest" && !from.every((n, i) => ratioIsExact(n, to[i] as number))) return undefined;
  const byScale = pairOf(scale).every((s) => s > 0);
  return [
    byScale ? named("scale_factor", h.of("scale", compact(scale))) : named("size", h.of("size", [...to])),
    h.option("mode", mode, "nearest"),
    ...(mode === "bilinear" ? [h.option("align_corners", align, false)] : []),
  ];
}
