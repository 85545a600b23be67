import * as z from "zod";
import * as x from "../ir/expr.ts";
import type { Axis, Expr } from "../ir/kernel.ts";
import { f32, type TensorType } from "../ir/type.ts";
import { amounts, count, describe, size } from "./attributes.ts";
import { loopKernel, realAxes } from "./kernels.ts";
import { defineOp, type LowerContext, type Tensor, type WeightSpec } from "./op.ts";
import { batchOf, channels, nothingLeft, notMap, type Pad, pairOf, resolvePad, type Size, spatial, wrongGroups } from "./shape.ts";
import { mapShape, zeros } from "./tensor.ts";

const natural = z.number().int().min(0);

interface DeconvAttrs {
  readonly out: number;
  readonly kernel: Size;
  readonly stride: Size;
  readonly pad: Pad;
  readonly out_pad: Size;
  readonly dilation: Size;
  readonly groups: number;
  readonly bias: boolean;
}

/** One axis: input i, tap k -> output i*stride + k*dilation - before. */
export interface DeconvAxis {
  readonly in: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
}

function axes(input: TensorType, a: DeconvAttrs): readonly [DeconvAxis, DeconvAxis] {
  const hw = spatial(input);
  const [kernel, stride, dilation, extra] = [pairOf(a.kernel), pairOf(a.stride), pairOf(a.dilation), pairOf(a.out_pad)];
  const pad = resolvePad(a.pad, hw, kernel, stride, dilation);
  const axis = (i: 0 | 1): DeconvAxis => ({
    in: hw[i],
    out: (hw[i] - 1) * stride[i] - pad[i] - (pad[i + 2] as number) + dilation[i] * (kernel[i] - 1) + extra[i] + 1,
    kernel: kernel[i],
    stride: stride[i],
    dilation: dilation[i],
    before: pad[i],
  });
  return [axis(0), axis(1)];
}

/** Scatters every input value over its window: the transpose of a convolution, as defined. */
function reference(input: Tensor, weight: Tensor, bias: Tensor | undefined, a: DeconvAttrs): Tensor {
  const [n, c, inH, inW] = mapShape(input);
  const [h, w] = axes(f32(...input.shape), a);
  const [perGroup, outPerGroup] = [c / a.groups, a.out / a.groups];
  const output = zeros([n, a.out, h.out, w.out]);
  for (let image = 0; image < n; image++) {
    for (let co = 0; co < a.out; co++)
      output.data.fill(bias?.data[co] ?? 0, (image * a.out + co) * h.out * w.out, (image * a.out + co + 1) * h.out * w.out);
    for (let ci = 0; ci < c; ci++)
      for (let co = 0; co < outPerGroup; co++) {
        const plane = (image * a.out + Math.floor(ci / perGroup) * outPerGroup + co) * h.out * w.out;
        for (let kh = 0; kh < h.kernel; kh++)
          for (let kw = 0; kw < w.kernel; kw++) {
            const factor = weight.data[((ci * outPerGroup + co) * h.kernel + kh) * w.kernel + kw]!;
            for (let y = 0; y < inH; y++) {
              const oy = y * h.stride + kh * h.dilation - h.before;
              if (oy < 0 || oy >= h.out) continue;
              for (let xx = 0; xx < inW; xx++) {
                const ox = xx * w.stride + kw * w.dilation - w.before;
                if (ox < 0 || ox >= w.out) continue;
                output.data[plane + oy * w.out + ox]! += factor * input.data[((image * c + ci) * inH + y) * inW + xx]!;
              }
            }
          }
      }
  }
  return output;
}

interface Tap {
  /** How many steps the reduction takes along this axis. */
  readonly steps: number;
  /** Input coordinate, kernel coordinate, and whether both are inside. */
  readonly at: Expr;
  readonly k: Expr;
  readonly inside: Expr;
}

/**
 * Which (input, tap) pairs meet in output `o`: i*stride + k*dilation = o + before.
 * Without dilation only every stride-th tap can meet, so the reduction walks k = (o + before) mod stride + stride*j and skips the others.
 */
function tap(axis: DeconvAxis, o: Expr, j: Expr): Tap {
  const target = x.add(o, axis.before);
  if (axis.dilation === 1) {
    const steps = Math.ceil(axis.kernel / axis.stride);
    const step = steps === 1 ? x.int(0) : j;
    const at = x.sub(x.idiv(target, axis.stride), step);
    const k = x.add(x.imod(target, axis.stride), x.mul(step, axis.stride));
    const inside = x.and(x.and(x.le(x.int(0), at), x.lt(at, axis.in)), x.lt(k, axis.kernel));
    return { steps, at, k, inside };
  }
  const k = axis.kernel === 1 ? x.int(0) : j;
  const offset = x.sub(target, x.mul(k, axis.dilation));
  const at = x.idiv(offset, axis.stride);
  const met = axis.stride === 1 ? x.constant(1, "bool") : x.eq(x.imod(offset, axis.stride), 0);
  return { steps: axis.kernel, at, k, inside: x.and(x.and(x.le(x.int(0), offset), x.lt(at, axis.in)), met) };
}

/**
 * out[n, c, y, x] = sum over the (input, tap) pairs that meet there; buffer 0 is the input, 1 the weight [in, outPerGroup, kh, kw].
 * `inputs` and `outputs` are channels of one group.
 */
export function deconvLoop(
  [h, w]: readonly [DeconvAxis, DeconvAxis],
  groups: { readonly count: number; readonly inputs: number; readonly outputs: number },
): { readonly over: readonly Axis[]; readonly body: Expr } {
  const row = tap(h, x.index("y"), x.index("kh"));
  const column = tap(w, x.index("x"), x.index("kw"));
  const ci = groups.inputs === 1 ? x.int(0) : x.index("ci");
  const c = x.index("c");
  const from = groups.count === 1 ? ci : x.add(x.mul(x.idiv(c, groups.outputs), groups.inputs), ci);
  const product = x.mul(
    x.load(0, [x.index("n"), from, row.at, column.at]),
    x.load(1, [from, groups.count === 1 ? c : x.imod(c, groups.outputs), row.k, column.k]),
  );
  return {
    over: realAxes([
      { name: "ci", size: groups.inputs },
      { name: "kh", size: row.steps },
      { name: "kw", size: column.steps },
    ]),
    body: x.select(x.and(row.inside, column.inside), product, 0),
  };
}

function lower({ name, inputs, output, weights, attrs }: LowerContext<DeconvAttrs>) {
  const input = inputs[0]!;
  const groups = { count: attrs.groups, inputs: channels(input.type) / attrs.groups, outputs: attrs.out / attrs.groups };
  const { over, body } = deconvLoop(axes(input.type, attrs), groups);
  return [
    loopKernel({
      name,
      reads: [input, weights.weight!, ...(weights.bias ? [weights.bias] : [])],
      output,
      reduce: { over, fn: "add" },
      body,
      epilogue: weights.bias ? x.add(x.ACC, x.load(2, [x.index("c")])) : x.ACC,
    }),
  ];
}

/** Taps of one axis that can meet in one output. */
function meetings(kernel: number, stride: number, dilation: number): number {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  return Math.ceil(kernel / (stride / gcd(stride, dilation)));
}

export const deconv = defineOp({
  summary: "transposed convolution",
  category: "convolution",
  attrs: () =>
    z.strictObject({
      out: count.meta({ description: describe.out }),
      kernel: size.meta({ description: describe.kernel }),
      stride: size.default(1).meta({ description: "upsampling factor: a number or [height, width]" }),
      pad: amounts.default(0).meta({ description: "rows and columns cut off the result: a number, [h, w] or [top, left, bottom, right]" }),
      out_pad: z
        .union([natural, z.array(natural).length(2)])
        .default(0)
        .meta({ description: "rows and columns added below and on the right" }),
      dilation: size.default(1).meta({ description: describe.dilation }),
      groups: count.default(1).meta({ description: "runs of channels that do not mix" }),
      bias: z.boolean().default(false).meta({ description: describe.bias }),
    }),
  arity: 1,
  infer: ([input], a) => {
    const wrong = notMap("deconv", input!) ?? wrongGroups(a.groups, channels(input!), a.out);
    if (wrong) return wrong;
    const [h, w] = axes(input!, a);
    if (h.out < 1 || w.out < 1) return nothingLeft(spatial(input!), a.kernel);
    return f32(batchOf(input!), a.out, h.out, w.out);
  },
  weights: ([input], a): Record<string, WeightSpec> => {
    const [kh, kw] = pairOf(a.kernel);
    // PyTorch takes axis 1 of the tensor for the fan-in, also where the convolution is transposed
    const uniform = { kind: "uniform", bound: 1 / Math.sqrt((a.out / a.groups) * kh * kw) } as const;
    return {
      weight: {
        shape: [channels(input!), a.out / a.groups, kh, kw],
        init: { default: uniform, paper: { kind: "normal", std: Math.sqrt(2 / (a.out * kh * kw)) } },
      },
      ...(a.bias ? { bias: { shape: [a.out], init: { default: uniform, paper: { kind: "constant", value: 0 } } } } : {}),
    };
  },
  cost: ([input], _output, a) => {
    const [kh, kw] = pairOf(a.kernel);
    const [h, w] = spatial(input!);
    return { macs: channels(input!) * h * w * (a.out / a.groups) * kh * kw, elementOps: 0 };
  },
  reference: ([input], { weight, bias }, a) => reference(input!, weight!, bias, a),
  lower,
  bound: {
    kind: "contraction",
    products: ([input], a) => {
      const [kernel, stride, dilation] = [pairOf(a.kernel), pairOf(a.stride), pairOf(a.dilation)];
      const taps = meetings(kernel[0], stride[0], dilation[0]) * meetings(kernel[1], stride[1], dilation[1]);
      return (channels(input!) / a.groups) * taps + (a.bias ? 1 : 0);
    },
  },
  samples: [
    { name: "2x2 stride 2 (U-Net)", inputs: [[2, 6, 3, 5]], attrs: { out: 5, kernel: 2, stride: 2, bias: true } },
    { name: "4x4 stride 2 pad 1", inputs: [[1, 3, 4, 5]], attrs: { out: 4, kernel: 4, stride: 2, pad: 1 } },
    { name: "3x3 stride 2, out_pad", inputs: [[1, 4, 3, 4]], attrs: { out: 3, kernel: 3, stride: 2, pad: 1, out_pad: 1, bias: true } },
    { name: "stride 1", inputs: [[1, 3, 4, 4]], attrs: { out: 4, kernel: 3 } },
    { name: "groups", inputs: [[1, 6, 3, 3]], attrs: { out: 4, kernel: 3, stride: 2, groups: 2 } },
    { name: "dilation", inputs: [[1, 2, 4, 3]], attrs: { out: 3, kernel: 3, stride: 2, dilation: 3, pad: 2 } },
    { name: "unlike axes, asymmetric cut", inputs: [[1, 3, 3, 4]], attrs: { out: 2, kernel: [3, 2], stride: [3, 1], pad: [1, 0, 0, 2] } },
    { name: "kernel under stride", inputs: [[1, 2, 3, 3]], attrs: { out: 2, kernel: 1, stride: 2, out_pad: 1 } },
  ],
});
