/** What every layer that treats each element by itself has in common: shape, cost, a map kernel. */
import type * as z from "zod";
import type { Expr } from "../ir/kernel.ts";
import { mapKernel } from "./kernels.ts";
import { type Bound, type Category, defineOp, type OpDef, type Sample } from "./op.ts";
import { perImage } from "./shape.ts";
import { mapTensor } from "./tensor.ts";

export interface Elementwise<S extends z.ZodObject> {
  readonly summary: string;
  readonly attrs: () => S;
  readonly category?: Category;
  /** The f64 definition. */
  readonly value: (v: number, attrs: z.output<S>) => number;
  readonly kernel: (v: Expr, attrs: z.output<S>) => Expr;
  readonly bound: Bound<z.output<S>>;
  /** Instead of the usual three: a vector, an odd map, one pixel. */
  readonly samples?: readonly Sample<z.input<S>>[];
  /** For layers without required arguments: the range of the usual samples. */
  readonly range?: readonly [number, number];
}

export function elementwise<S extends z.ZodObject>(e: Elementwise<S>): OpDef<S> {
  const range = e.range ? { range: e.range } : {};
  const attrs = {} as z.input<S>;
  return defineOp({
    summary: e.summary,
    category: e.category ?? "activation",
    attrs: e.attrs,
    arity: 1,
    infer: ([input]) => input!,
    cost: (_inputs, output) => ({ macs: 0, elementOps: perImage(output) }),
    reference: ([input], _weights, a) => mapTensor(input!, (v) => e.value(v, a)),
    lower: ({ name, inputs, output, attrs: a }) => [mapKernel(name, inputs, output, (v) => e.kernel(v!, a))],
    bound: e.bound,
    samples: e.samples ?? [
      { name: "vector", inputs: [[2, 7]], attrs, ...range },
      { name: "odd map", inputs: [[2, 3, 5, 7]], attrs, ...range },
      { name: "one pixel", inputs: [[1, 5, 1, 1]], attrs, ...range },
    ],
  });
}
