/** Where the numbers of a weight come from: a file, an initialiser, or a recipe over other weights. */
import type { Weight } from "../ir/graph.ts";

/** Reads tensors one at a time, so that a compile never holds more than it packs. */
export interface WeightReader {
  /** The tensor in PyTorch's layout, rounded to f32; derived tensors are computed in f64 and rounded once. A fresh array. */
  read(weight: Weight): Float32Array;
  /** The same before rounding: for recipes, the reference and folds. */
  readExact(weight: Weight): Float64Array;
  /**
   * What `read` gives, in memory that the next call of any of these overwrites: for packing, where fresh arrays would cost more than the
   * work done on them (a page of memory that is touched for the first time costs as much as copying it many times over).
   */
  readonly borrow?: (weight: Weight) => Float32Array;
  /** Writes what `read` gives into `values`, which has room for exactly that. */
  readonly readInto?: (weight: Weight, values: Float32Array) => void;
}

/** What `borrow` gives where a reader has it, else a fresh array: for callers that are done with it before they ask for more. */
export const borrowed = (reader: WeightReader, weight: Weight): Float32Array => reader.borrow?.(weight) ?? reader.read(weight);

/** The tensor, in PyTorch's layout, into `values`. */
export function readInto(reader: WeightReader, weight: Weight, values: Float32Array): void {
  if (reader.readInto) reader.readInto(weight, values);
  else values.set(reader.read(weight));
}
