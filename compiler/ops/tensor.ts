/** Small operations on the reference's f64 tensors. */
import type { Tensor } from "./op.ts";

export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export const zeros = (shape: readonly number[]): Tensor => ({ shape, data: new Float64Array(elements(shape)) });

export const mapTensor = (t: Tensor, fn: (v: number) => number): Tensor => ({ shape: t.shape, data: t.data.map(fn) });

/** A rank-2 value as a map of one pixel; a map as it is. [n, c, h, w]. */
export function mapShape(t: Tensor): readonly [number, number, number, number] {
  const [n = 1, c = 1, h = 1, w = 1] = t.shape;
  return [n, c, h, w];
}

/** fn(value, channel, image) for every element of a [n, c] or [n, c, h, w] tensor. */
export function mapPerChannel(t: Tensor, fn: (v: number, c: number, n: number) => number): Tensor {
  const [n, c, h, w] = mapShape(t);
  const output = zeros(t.shape);
  let i = 0;
  for (let image = 0; image < n; image++)
    for (let channel = 0; channel < c; channel++) for (let p = 0; p < h * w; p++, i++) output.data[i] = fn(t.data[i]!, channel, image);
  return output;
}

/** output[i...] = input[source(i...)], for layers that only move elements; `source` writes the input's coordinates into `at`. */
export function gather(input: Tensor, shape: readonly number[], source: (out: readonly number[], at: number[]) => void): Tensor {
  const output = zeros(shape);
  const here = shape.map(() => 0);
  const at = input.shape.map(() => 0);
  for (let i = 0; i < output.data.length; i++) {
    let rest = i;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const n = shape[axis]!;
      here[axis] = rest % n;
      rest = (rest - here[axis]!) / n;
    }
    source(here, at);
    let flat = 0;
    for (let axis = 0; axis < at.length; axis++) flat = flat * input.shape[axis]! + at[axis]!;
    output.data[i] = input.data[flat]!;
  }
  return output;
}
