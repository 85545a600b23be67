/** Where the numbers of a weight come from: a file, an initialiser, or a recipe over other weights. */
import type { Weight } from "../ir/graph.ts";

/** Reads tensors one at a time, so that a compile never holds more than it packs. */
export interface WeightReader {
  /** The tensor in PyTorch's layout, rounded to f32; derived tensors are computed in f64 and rounded once. A fresh array. */
  read(weight: Weight): Float32Array;
  /** The same before rounding: for recipes, the reference and folds. */
  readExact(weight: Weight): Float64Array;
}
