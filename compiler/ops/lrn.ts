import * as z from "zod";
import * as x from "../ir/expr.ts";
import { count } from "./attributes.ts";
import { loopKernel, realAxes, tapAt } from "./kernels.ts";
import { defineOp, type Tensor } from "./op.ts";
import { channels, notMap, perImage } from "./shape.ts";
import { mapShape, zeros } from "./tensor.ts";

interface LrnAttrs {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

/** With an even size the longer half comes before, as in PyTorch and Caffe. */
const before = (size: number): number => Math.floor(size / 2);

function reference(input: Tensor, a: LrnAttrs): Tensor {
  const [n, c, h, w] = mapShape(input);
  const output = zeros(input.shape);
  const plane = h * w;
  for (let image = 0; image < n; image++)
    for (let ci = 0; ci < c; ci++) {
      const first = Math.max(0, ci - before(a.size));
      const end = Math.min(c, ci - before(a.size) + a.size);
      for (let p = 0; p < plane; p++) {
        let squares = 0;
        for (let k = first; k < end; k++) squares += input.data[(image * c + k) * plane + p]! ** 2;
        const i = (image * c + ci) * plane + p;
        output.data[i] = input.data[i]! / (a.k + (a.alpha / a.size) * squares) ** a.beta;
      }
    }
  return output;
}

export const lrn = defineOp({
  summary: "local response normalisation across channels",
  category: "normalisation",
  attrs: () =>
    z.strictObject({
      size: count.default(5).meta({ description: "channels in the window" }),
      alpha: z.number().default(1e-4).meta({ description: "factor of the mean of squares" }),
      beta: z.number().default(0.75).meta({ description: "exponent" }),
      k: z.number().default(1).meta({ description: "what the sum starts from" }),
    }),
  arity: 1,
  infer: ([input]) => notMap("lrn", input!) ?? input!,
  cost: (_inputs, output, a) => ({ macs: 0, elementOps: (a.size + 3) * perImage(output) }),
  reference: ([input], _weights, a) => reference(input!, a),
  lower: ({ name, inputs, output, attrs }) => {
    const c = channels(output.type);
    const window = { in: c, out: c, kernel: attrs.size, stride: 1, dilation: 1, before: before(attrs.size) };
    const tap = tapAt(window, x.index("c"), x.index("rc"));
    const [n, y, column] = [x.index("n"), x.index("y"), x.index("x")];
    const value = x.load(0, [n, tap.at, y, column]);
    return [
      loopKernel({
        name,
        reads: [inputs[0]!],
        output,
        reduce: { over: realAxes([{ name: "rc", size: attrs.size }]), fn: "add" },
        body: x.select(tap.inside, x.mul(value, value), 0),
        epilogue: x.div(x.load(0, [n, x.index("c"), y, column]), x.pow(x.add(x.mul(x.ACC, attrs.alpha / attrs.size), attrs.k), attrs.beta)),
      }),
    ];
  },
  bound: {
    kind: "custom",
    of: (_inputs, _weights, a, output) => output.data.map((y) => 8 * Math.sqrt(a.size) * 2 ** -23 * (Math.abs(y) + 1)),
  },
  samples: [
    { name: "AlexNet", inputs: [[2, 9, 3, 5]], attrs: { size: 5, alpha: 1e-4, beta: 0.75, k: 2 } },
    { name: "strong, even size", inputs: [[1, 7, 3, 3]], attrs: { size: 4, alpha: 2, beta: 0.5 } },
    { name: "wider than the channels", inputs: [[1, 3, 2, 2]], attrs: { size: 9, alpha: 1 } },
  ],
});
