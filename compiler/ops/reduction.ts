/** Mean or maximum over whole axes, kept as axes of size 1: gap, gmp, chanmean, chanmax. */
import * as x from "../ir/expr.ts";
import type { Value } from "../ir/graph.ts";
import type { Axis, LoopKernel } from "../ir/kernel.ts";
import { f32, type TensorType } from "../ir/type.ts";
import { axesOf, loopKernel, realAxes } from "./kernels.ts";
import type { Tensor } from "./op.ts";
import { elements, zeros } from "./tensor.ts";

export type Over = "hw" | "h" | "w";

/** Axes of [n, c, h, w] that an `over` argument names. */
export const axesNamed = (over: Over): readonly number[] => (over === "hw" ? [2, 3] : over === "h" ? [2] : [3]);

export const reducedType = (t: TensorType, axes: readonly number[]): TensorType =>
  f32(...t.shape.map((d, i) => (axes.includes(i) ? 1 : d)));

/** How many values of `t` one output element is made of. */
export const reducedCount = (t: TensorType, axes: readonly number[]): number => axes.reduce((n, i) => n * (t.shape[i] as number), 1);

export function reduceReference(input: Tensor, axes: readonly number[], fn: "mean" | "max"): Tensor {
  const shape = input.shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const output = zeros(shape);
  if (fn === "max") output.data.fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < input.data.length; i++) {
    let rest = i;
    let at = 0;
    let step = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const n = input.shape[axis]!;
      if (shape[axis] !== 1) at += (rest % n) * step;
      rest = Math.floor(rest / n);
      step *= shape[axis]!;
    }
    output.data[at] = fn === "max" ? Math.max(output.data[at]!, input.data[i]!) : output.data[at]! + input.data[i]!;
  }
  if (fn === "max") return output;
  const count = elements(input.shape) / elements(shape);
  return { shape, data: output.data.map((v) => v / count) };
}

const REDUCED = ["rn", "rc", "ry", "rx"];

/** One loop: output = mean or max over `axes` of the input. */
export function reduceKernel(name: string, input: Value, output: Value, axes: readonly number[], fn: "mean" | "max"): LoopKernel {
  const walk = axesOf(input);
  const over: Axis[] = walk.map((a, i) => ({ name: REDUCED[i] as string, size: a.size })).filter((_, i) => axes.includes(i));
  const at = walk.map((a, i) => x.index(axes.includes(i) && a.size > 1 ? (REDUCED[i] as string) : a.name));
  const count = over.reduce((n, a) => n * a.size, 1);
  return loopKernel({
    name,
    reads: [input],
    output,
    reduce: { over: realAxes(over), fn: fn === "mean" ? "add" : "max" },
    body: x.load(0, at),
    epilogue: fn === "mean" ? x.div(x.ACC, count) : x.ACC,
  });
}
