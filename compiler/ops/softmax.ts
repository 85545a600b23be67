import * as z from "zod";
import { messages } from "../diagnostics/messages.gen.ts";
import * as x from "../ir/expr.ts";
import type { Expr } from "../ir/kernel.ts";
import { count } from "./attributes.ts";
import { axesOf, coordinates, loopKernel, realAxes } from "./kernels.ts";
import { defineOp, type LowerContext, type Tensor } from "./op.ts";
import { notMap, notSplit, perImage } from "./shape.ts";
import { mapShape, zeros } from "./tensor.ts";

interface SoftmaxAttrs {
  readonly over: "c" | "hw";
  readonly parts: number;
}

/** Elements `start + i * step` of an image compete with each other: how many, how far apart, and where each set starts. */
function sets(shape: readonly [number, number, number, number], a: SoftmaxAttrs): { count: number; step: number; starts: number[] } {
  const [, c, h, w] = shape;
  const plane = h * w;
  const range = (n: number, factor: number): number[] => Array.from({ length: n }, (_, i) => i * factor);
  if (a.over === "hw") return { count: plane, step: 1, starts: range(c, plane) };
  if (a.parts === 1) return { count: c, step: plane, starts: range(plane, 1) };
  return { count: a.parts, step: (c / a.parts) * plane, starts: range((c / a.parts) * plane, 1) };
}

function reference(input: Tensor, a: SoftmaxAttrs): Tensor {
  const shape = mapShape(input);
  const output = zeros(input.shape);
  const { count: members, step, starts } = sets(shape, a);
  const image = input.data.length / shape[0];
  for (let n = 0; n < shape[0]; n++)
    for (const start of starts) {
      let max = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < members; i++) max = Math.max(max, input.data[n * image + start + i * step]!);
      let sum = 0;
      for (let i = 0; i < members; i++) sum += Math.exp(input.data[n * image + start + i * step]! - max);
      for (let i = 0; i < members; i++) {
        const at = n * image + start + i * step;
        output.data[at] = Math.exp(input.data[at]! - max) / sum;
      }
    }
  return output;
}

/** Three kernels: largest value of each set, sum of exponentials, and the map. */
function lower({ name, inputs, output, attrs, temp }: LowerContext<SoftmaxAttrs>) {
  const input = inputs[0]!;
  const [batch = 1, c = 1, ...space] = input.type.shape as number[];
  const run = attrs.parts === 1 ? 1 : c / attrs.parts;
  const overMap = attrs.over === "hw";
  const shape = overMap ? [batch, c, 1, 1] : [batch, run, ...space];
  const over = overMap
    ? [
        { name: "ry", size: space[0]! },
        { name: "rx", size: space[1]! },
      ]
    : [{ name: "rc", size: attrs.parts === 1 ? c : attrs.parts }];
  const reduced = (axis: number): Expr => (over[axis]!.size === 1 ? x.int(0) : x.index(over[axis]!.name));
  const max = temp(shape);
  const sum = temp(shape);
  const set = coordinates(axesOf(max));
  const member = overMap
    ? [set[0]!, set[1]!, reduced(0), reduced(1)]
    : [set[0]!, run === 1 ? reduced(0) : x.add(x.mul(reduced(0), run), set[1]!), ...set.slice(2)];
  const own = coordinates(axesOf(output));
  const ownSet = overMap ? [own[0]!, own[1]!, x.int(0), x.int(0)] : [own[0]!, x.imod(own[1]!, run), ...own.slice(2)];
  const axes = realAxes(over);
  return [
    loopKernel({
      name: `${name}.max`,
      reads: [input],
      output: max,
      reduce: { over: axes, fn: "max" },
      body: x.load(0, member),
      epilogue: x.ACC,
    }),
    loopKernel({
      name: `${name}.sum`,
      reads: [input, max],
      output: sum,
      reduce: { over: axes, fn: "add" },
      body: x.exp(x.sub(x.load(0, member), x.load(1, set))),
      epilogue: x.ACC,
    }),
    loopKernel({
      name,
      reads: [input, max, sum],
      output,
      body: x.div(x.exp(x.sub(x.load(0, own), x.load(1, ownSet))), x.load(2, ownSet)),
    }),
  ];
}

export const softmax = defineOp({
  summary: "exponentials that sum to 1",
  category: "activation",
  attrs: () =>
    z.strictObject({
      over: z
        .enum(["c", "hw"])
        .default("c")
        .meta({ description: 'the values that sum to 1: "c" the channels, "hw" the positions of a map' }),
      parts: count.default(1).meta({ description: "the channels are this many equal runs, and the softmax goes across the runs" }),
    }),
  arity: 1,
  infer: ([input], a) => {
    if (a.over === "c") return notSplit("softmax", input!, a.parts, "parts") ?? input!;
    if (a.parts > 1) return { problem: messages.SE203.overhw({ parts: a.parts }), arg: "parts" };
    return notMap("softmax", input!) ?? input!;
  },
  cost: (_inputs, output) => ({ macs: 0, elementOps: 4 * perImage(output) }),
  reference: ([input], _weights, a) => reference(input!, a),
  lower,
  bound: { kind: "ulps", ulps: 8 },
  samples: [
    { name: "classes", inputs: [[2, 10]], attrs: {}, range: [-10, 10] },
    { name: "channels of a map", inputs: [[2, 7, 3, 5]], attrs: {} },
    { name: "positions", inputs: [[2, 3, 5, 7]], attrs: { over: "hw" } },
    { name: "across 3 parts", inputs: [[2, 12, 1, 1]], attrs: { parts: 3 } },
    { name: "across 2 parts, vector", inputs: [[2, 10]], attrs: { parts: 2 } },
    { name: "parts of one channel", inputs: [[1, 4, 2, 3]], attrs: { parts: 4 } },
  ],
});
