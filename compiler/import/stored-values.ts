/**
 * Large tensors of a model file, kept as the file stores them (f16, bytes with a scale) until each is written: a file must not ask for many
 * times its own size. Small ones, which may be sizes or axes, are plain arrays.
 */
import type { Deferred, TensorValues } from "../ir/values.ts";
import { refuse } from "./reading.ts";

/** Longest list of numbers that may be sizes or axes. */
export const LONGEST_LIST = 1 << 12;

export class StoredValues implements Deferred {
  readonly length: number;
  readonly at: (index: number) => number;
  /** The file has them as integers. */
  readonly isWhole: boolean;
  readonly #fill: ((into: Float32Array, from: number) => void) | undefined;

  constructor(length: number, isWhole: boolean, at: (index: number) => number, fill?: (into: Float32Array, from: number) => void) {
    this.length = length;
    this.isWhole = isWhole;
    this.at = at;
    this.#fill = fill;
  }

  fill(into: Float32Array, from: number): void {
    if (this.#fill) this.#fill(into, from);
    else for (let i = 0; i < into.length; i++) into[i] = this.at(from + i);
  }
}

/** Whole numbers of short lists are kept as numbers. */
export type Values = TensorValues | Float64Array;

export const isArray = (values: Values): values is Float32Array | Float64Array =>
  values instanceof Float32Array || values instanceof Float64Array;

/** All values in memory: for those that are looked at. */
export function arrayOf(values: TensorValues): Float32Array;
export function arrayOf(values: Values): Float32Array | Float64Array;
export function arrayOf(values: Values): Float32Array | Float64Array {
  if (isArray(values)) return values;
  const all = new Float32Array(values.length);
  values.fill(all, 0);
  return all;
}

/** Longer than any list of sizes or channels. */
const LARGEST_LIST = 1 << 20;

/** Sizes, axes or channels. */
export function numbersOf(values: Values): number[] {
  return values.length > LARGEST_LIST ? refuse(`it reads ${values.length} numbers as a list of sizes`) : [...arrayOf(values)];
}

/** The first value; undefined when there is none. */
export const firstOf = (constant: { readonly data: Values } | undefined): number | undefined =>
  constant && constant.data.length > 0 ? accessor(constant.data)(0) : undefined;

export const accessor = (values: Values): ((index: number) => number) =>
  isArray(values) ? (i) => values[i] as number : (i) => values.at(i);

/** `make` gives the values of a short list, which are kept; those of a long one are read from the file each time. */
export function valuesFrom(count: number, isWhole: boolean, at: (index: number) => number): Values {
  if (count > LONGEST_LIST) return new StoredValues(count, isWhole, at);
  const list = isWhole ? new Float64Array(count) : new Float32Array(count);
  for (let i = 0; i < count; i++) list[i] = at(i);
  return list;
}

/** The values with their axes in another order: axis i of the result is axis `order[i]` of `shape`. */
export function permutedValues<V extends Values>(values: V, shape: readonly number[], order: readonly number[]): V | StoredValues {
  const at = accessor(values);
  const steps = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const axes = order.map((o) => ({ size: shape[o] as number, step: steps[o] as number }));
  const fill = (into: Float32Array | Float64Array, from: number): void => {
    const place = axes.map(() => 0);
    let source = 0;
    let rest = from;
    for (let k = axes.length - 1; k >= 0; k--) {
      const { size, step } = axes[k] as Axis;
      place[k] = rest % size;
      rest = Math.floor(rest / size);
      source += (place[k] as number) * step;
    }
    for (let i = 0; i < into.length; i++) {
      into[i] = at(source);
      for (let k = axes.length - 1; k >= 0; k--) {
        const { size, step } = axes[k] as Axis;
        source += step;
        place[k] = (place[k] as number) + 1;
        if ((place[k] as number) < size) break;
        source -= size * step;
        place[k] = 0;
      }
    }
  };
  if (!isArray(values)) {
    const one = (i: number): number => {
      let source = 0;
      let rest = i;
      for (let k = axes.length - 1; k >= 0; k--) {
        const { size, step } = axes[k] as Axis;
        source += (rest % size) * step;
        rest = Math.floor(rest / size);
      }
      return at(source);
    };
    return new StoredValues(values.length, values instanceof StoredValues && values.isWhole, one, fill);
  }
  const out = values instanceof Float32Array ? new Float32Array(values.length) : new Float64Array(values.length);
  fill(out, 0);
  return out as V;
}

interface Axis {
  readonly size: number;
  readonly step: number;
}
