/**
 * (x - mean) / sqrt(var + eps) over one part of each image: ln over the channels of a position, gn over a run of channels, instnorm over a map.
 * Variance in a second pass over centred values, in the reference and in the kernels: sum of squares minus square of the sum cancels in f32.
 */
import type * as z from "zod";
import * as x from "../ir/expr.ts";
import type { Value } from "../ir/graph.ts";
import type { Axis, Expr, LoopKernel } from "../ir/kernel.ts";
import type { TensorType } from "../ir/type.ts";
import { axesOf, loopKernel, realAxes } from "./kernels.ts";
import type { Bound, LowerContext, Tensor, WeightSpec } from "./op.ts";
import { channels } from "./shape.ts";
import { mapPerChannel, mapShape, zeros } from "./tensor.ts";

export interface NormAttrs {
  readonly eps: number;
  readonly affine: boolean;
}

/** "position": ln; a number: that many runs of channels (instnorm: as many as channels). */
export type Parts = "position" | number;

export function normWeights(input: TensorType, affine: boolean): Record<string, WeightSpec> {
  if (!affine) return {};
  const constant = (value: number): WeightSpec => ({
    shape: [channels(input)],
    init: { default: { kind: "constant", value }, paper: { kind: "constant", value } },
  });
  return { weight: constant(1), bias: constant(0) };
}

/** Values that share one mean. */
export function partCount(shape: readonly number[], parts: Parts): number {
  const [, c = 1, h = 1, w = 1] = shape;
  return parts === "position" ? c : (c / parts) * h * w;
}

/** x hat, before weight and bias. */
export function standardize(input: Tensor, parts: Parts, eps: number): Tensor {
  const [n, c, h, w] = mapShape(input);
  const output = zeros(input.shape);
  // element i of part p of an image stands at start(p) + i * step
  const [count, step] = parts === "position" ? [c, h * w] : [(c / parts) * h * w, 1];
  const partsPerImage = (c * h * w) / count;
  for (let image = 0; image < n; image++)
    for (let part = 0; part < partsPerImage; part++) {
      const start = image * c * h * w + (parts === "position" ? part : part * count);
      let sum = 0;
      for (let i = 0; i < count; i++) sum += input.data[start + i * step]!;
      const mean = sum / count;
      let squares = 0;
      for (let i = 0; i < count; i++) squares += (input.data[start + i * step]! - mean) ** 2;
      const deviation = Math.sqrt(squares / count + eps);
      for (let i = 0; i < count; i++) output.data[start + i * step] = (input.data[start + i * step]! - mean) / deviation;
    }
  return output;
}

export function normReference(input: Tensor, weights: Readonly<Record<string, Tensor>>, parts: Parts, eps: number): Tensor {
  const { weight, bias } = weights;
  return mapPerChannel(standardize(input, parts, eps), (v, c) => v * (weight?.data[c] ?? 1) + (bias?.data[c] ?? 0));
}

/** 8 sqrt(P) eps (|x hat| + 1) |weight| + eps |bias| (kernels.md section 1). */
export function normBound<S extends z.ZodObject>(
  partsOf: (shape: readonly number[], attrs: z.output<S>) => Parts,
): Bound<z.output<S> & NormAttrs> {
  const eps = 2 ** -23;
  return {
    kind: "custom",
    of: ([input], { weight, bias }, attrs) => {
      const parts = partsOf(input!.shape, attrs);
      const factor = 8 * Math.sqrt(partCount(input!.shape, parts)) * eps;
      return mapPerChannel(
        standardize(input!, parts, attrs.eps),
        (v, c) => factor * (Math.abs(v) + 1) * Math.abs(weight?.data[c] ?? 1) + eps * Math.abs(bias?.data[c] ?? 0),
      ).data;
    },
  };
}

/** Three kernels: mean of each part, 1 / sqrt(var + eps) of each part, and the map that applies both. */
export function normKernels({ name, inputs, output, weights, temp }: LowerContext<NormAttrs>, parts: Parts, eps: number): LoopKernel[] {
  const input = inputs[0]!;
  const [batch = 1, c = 1, ...space] = input.type.shape as number[];
  const map = space.length === 2;
  const perRun = parts === "position" ? 1 : c / parts;
  const shape = parts === "position" ? (map ? [batch, 1, ...space] : [batch, 1]) : [batch, parts];
  const mean = temp(shape);
  const scale = temp(shape);
  const over: Axis[] =
    parts === "position"
      ? [{ name: "rc", size: c }]
      : [
          { name: "rc", size: perRun },
          ...(map
            ? [
                { name: "ry", size: space[0]! },
                { name: "rx", size: space[1]! },
              ]
            : []),
        ];
  const reduced = (axis: string): Expr => (over.find((a) => a.name === axis)!.size === 1 ? x.int(0) : x.index(axis));
  const channel = parts === "position" ? reduced("rc") : x.add(x.mul(x.index("c"), perRun), reduced("rc"));
  const positions = !map ? [] : parts === "position" ? [x.index("y"), x.index("x")] : [reduced("ry"), reduced("rx")];
  const value = x.load(0, [x.index("n"), channel, ...positions]);
  const count = over.reduce((p, a) => p * a.size, 1);
  const partAt = axesOf(mean).map((a) => x.index(a.name));
  const centred = x.sub(value, x.load(1, partAt));
  const reduce = { over: realAxes(over), fn: "add" } as const;

  const own = axesOf(output).map((a) => x.index(a.name));
  const ownPart = parts === "position" ? [x.index("n"), x.int(0), ...own.slice(2)] : [x.index("n"), x.idiv(x.index("c"), perRun)];
  let result = x.mul(x.sub(x.load(0, own), x.load(1, ownPart)), x.load(2, ownPart));
  if (weights.weight) result = x.mul(result, x.load(3, [x.index("c")]));
  if (weights.bias) result = x.add(result, x.load(4, [x.index("c")]));
  const learned: Value[] = weights.weight && weights.bias ? [weights.weight, weights.bias] : [];
  return [
    loopKernel({ name: `${name}.mean`, reads: [input], output: mean, reduce, body: value, epilogue: x.div(x.ACC, count) }),
    loopKernel({
      name: `${name}.scale`,
      reads: [input, mean],
      output: scale,
      reduce,
      body: x.mul(centred, centred),
      epilogue: x.rsqrt(x.add(x.div(x.ACC, count), eps)),
    }),
    loopKernel({ name, reads: [input, mean, scale, ...learned], output, body: result }),
  ];
}
