/** A pool to a fixed size is an ordinary pool whose kernel is the quotient: only when it divides (language.md section 11). */
import { messages } from "../diagnostics/messages.gen.ts";
import { f32, type TensorType } from "../ir/type.ts";
import type { Problem } from "./op.ts";
import type { PoolAttrs } from "./pool.ts";
import { batchOf, channels, notMap, pairOf, type Size, sizeText, spatial } from "./shape.ts";

/** The ordinary pool. */
export function poolTo(input: TensorType, size: Size): PoolAttrs & { readonly kernel: readonly [number, number] } {
  const [h, w] = spatial(input);
  const [th, tw] = pairOf(size);
  return { kernel: [h / th, w / tw], pad: 0, ceil: false };
}

export function pooledTo(layer: string, input: TensorType, size: Size): TensorType | Problem {
  const wrong = notMap(layer, input);
  if (wrong) return wrong;
  const [h, w] = spatial(input);
  const [th, tw] = pairOf(size);
  if (h % th !== 0 || w % tw !== 0)
    return { problem: messages.SE206.divide({ layer, target: sizeText([th, tw]), size: sizeText([h, w]) }), arg: "size" };
  return f32(batchOf(input), channels(input), th, tw);
}
