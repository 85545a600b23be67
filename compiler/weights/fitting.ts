/** When tensors of a file are those of a net (weights.md section 4, steps 4, 5 and 7). */
import type { Graph, Weight } from "../ir/graph.ts";
import { hashText } from "../ir/hash.ts";
import type { StoredTensor } from "./safetensors.ts";

export const ignored = (path: string): boolean => /(^|\.)num_batches_tracked$/.test(path);
export const shapeOf = (w: Weight): readonly number[] => w.value.type.shape as readonly number[];

/** What a file must have. */
export const wantedBy = (graph: Graph): Weight[] => graph.weights.filter((w) => w.init.kind !== "derived" && !ignored(w.path));

/** Equal, or the same numbers but for the axes of size 1 that a 1x1 convolution or a broadcast has more than a matrix or a vector. */
export function shapesFit(have: readonly number[], want: readonly number[]): boolean {
  const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((d, i) => d === b[i]);
  const widened = (a: readonly number[], b: readonly number[]): boolean => {
    const [c = 0, d = 0] = a;
    if (a.length === 2) return same(b, [c, d, 1, 1]);
    return a.length === 1 && (same(b, [c, 1, 1]) || same(b, [1, c, 1, 1]));
  };
  return same(have, want) || widened(have, want) || widened(want, have);
}

/** The net has all of these tensors and no others. */
export function fitsWhole(graph: Graph, tensors: ReadonlyMap<string, StoredTensor>): boolean {
  const wanted = wantedBy(graph);
  return wanted.length === tensors.size && wanted.every((w) => shapesFit(tensors.get(w.path)?.shape ?? [], shapeOf(w)));
}

/** The same for all nets whose tensors have these names, in whatever order. */
export const tensorNamesKey = (names: readonly string[]): string =>
  hashText(
    names
      .filter((n) => !ignored(n))
      .sort()
      .join("\n"),
  ).slice(0, 16);
