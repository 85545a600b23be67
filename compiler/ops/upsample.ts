import * as z from "zod";
import { messages } from "../diagnostics/messages.gen.ts";
import * as x from "../ir/expr.ts";
import type { Expr } from "../ir/kernel.ts";
import { f32 } from "../ir/type.ts";
import { loopKernel } from "./kernels.ts";
import { defineOp, type LowerContext, type Tensor } from "./op.ts";
import { batchOf, channels, notMap, type Pair, pairOf, perImage, type Size, spatial } from "./shape.ts";
import { elements, gather, mapShape, mapTensor, zeros } from "./tensor.ts";

const natural = z.number().int().min(0);
const factor = z.union([natural, z.array(natural).length(2)]);

interface UpsampleAttrs {
  readonly scale: Size;
  readonly size: Size;
  readonly mode: "nearest" | "bilinear";
  readonly align: boolean;
}

const given = (v: Size): boolean => pairOf(v).every((n) => n > 0);

function target([h, w]: Pair, a: UpsampleAttrs): Pair {
  const [sh, sw] = pairOf(a.scale);
  return given(a.size) ? pairOf(a.size) : [h * sh, w * sw];
}

/**
 * The source position of output `o` along one axis as a fraction of whole numbers, numerator (factor*o + offset) over `over`;
 * whole numbers, so that f32 and f64 agree on which pixels are read. Half-pixel centres: ((2o + 1) in - out) / (2 out); aligned corners: o (in - 1) / (out - 1).
 */
function position(n: number, out: number, align: boolean): { factor: number; offset: number; over: number } {
  if (align) return out === 1 ? { factor: 0, offset: 0, over: 1 } : { factor: n - 1, offset: 0, over: out - 1 };
  return { factor: 2 * n, offset: n - out, over: 2 * out };
}

function reference(input: Tensor, a: UpsampleAttrs): Tensor {
  const [n, c, h, w] = mapShape(input);
  const [oh, ow] = target([h, w], a);
  if (a.mode === "nearest")
    return gather(input, [n, c, oh, ow], ([image, channel, y, xx], at) => {
      at[0] = image!;
      at[1] = channel!;
      at[2] = Math.floor((y! * h) / oh);
      at[3] = Math.floor((xx! * w) / ow);
    });
  const output = zeros([n, c, oh, ow]);
  const [ph, pw] = [position(h, oh, a.align), position(w, ow, a.align)];
  let i = 0;
  for (let plane = 0; plane < n * c; plane++)
    for (let y = 0; y < oh; y++)
      for (let xx = 0; xx < ow; xx++) {
        const sy = Math.max(ph.factor * y + ph.offset, 0) / ph.over;
        const sx = Math.max(pw.factor * xx + pw.offset, 0) / pw.over;
        const [y0, x0] = [Math.floor(sy), Math.floor(sx)];
        const [y1, x1] = [Math.min(y0 + 1, h - 1), Math.min(x0 + 1, w - 1)];
        const [fy, fx] = [sy - y0, sx - x0];
        const v = (row: number, column: number): number => input.data[(plane * h + row) * w + column]!;
        output.data[i++] = (1 - fy) * ((1 - fx) * v(y0, x0) + fx * v(y0, x1)) + fy * ((1 - fx) * v(y1, x0) + fx * v(y1, x1));
      }
  return output;
}

/** The two source pixels of an axis and the weight of the second. */
function between(n: number, out: number, align: boolean, o: Expr): { first: Expr; second: Expr; share: Expr } {
  const p = position(n, out, align);
  const place = x.add(x.mul(o, p.factor), p.offset);
  const numerator = p.offset < 0 ? x.max(place, 0) : place;
  const first = x.idiv(numerator, p.over);
  const share = x.div(x.toFloat(x.imod(numerator, p.over)), p.over);
  return { first, second: x.min(x.add(first, 1), n - 1), share };
}

function lower({ name, inputs, output, attrs }: LowerContext<UpsampleAttrs>) {
  const input = inputs[0]!;
  const [h, w] = spatial(input.type);
  const [oh, ow] = spatial(output.type);
  const [n, c, y, xx] = [x.index("n"), x.index("c"), x.index("y"), x.index("x")];
  if (attrs.mode === "nearest") {
    const source = (o: Expr, size: number, out: number): Expr => (out % size === 0 ? x.idiv(o, out / size) : x.idiv(x.mul(o, size), out));
    return [loopKernel({ name, reads: [input], output, body: x.load(0, [n, c, source(y, h, oh), source(xx, w, ow)]) })];
  }
  const row = between(h, oh, attrs.align, y);
  const column = between(w, ow, attrs.align, xx);
  const mix = (a: Expr, b: Expr, share: Expr): Expr => x.add(x.mul(a, x.sub(x.constant(1), share)), x.mul(b, share));
  const line = (at: Expr): Expr => mix(x.load(0, [n, c, at, column.first]), x.load(0, [n, c, at, column.second]), column.share);
  return [loopKernel({ name, reads: [input], output, body: mix(line(row.first), line(row.second), row.share) })];
}

export const upsample = defineOp({
  summary: "to a larger (or another) size, nearest or bilinear",
  category: "moving",
  attrs: () =>
    z.strictObject({
      scale: factor.default(0).meta({ description: "factor: a number or [height, width]; or give size" }),
      size: factor.default(0).meta({ description: "size of the result: a number or [height, width]; or give scale" }),
      mode: z.enum(["nearest", "bilinear"]).default("nearest").meta({ description: '"nearest" or "bilinear"' }),
      align: z.boolean().default(false).meta({ description: "bilinear: corners meet corners, instead of half-pixel centres" }),
    }),
  arity: 1,
  infer: ([input], a) => {
    const wrong = notMap("upsample", input!);
    if (wrong) return wrong;
    if (given(a.scale) === given(a.size)) return { problem: messages.SE206.resize() };
    return f32(batchOf(input!), channels(input!), ...target(spatial(input!), a));
  },
  cost: (_inputs, output, a) => ({ macs: 0, elementOps: a.mode === "nearest" ? 0 : 4 * perImage(output) }),
  reference: ([input], _weights, a) => reference(input!, a),
  lower,
  // bilinear is a mean over 4 values: 4 sqrt(4) eps A
  bound: {
    kind: "custom",
    of: ([input], _weights, a, output) => {
      if (a.mode === "nearest") return new Float64Array(elements(output.shape));
      return reference(mapTensor(input!, Math.abs), a).data.map((v) => 4 * Math.sqrt(4) * 2 ** -23 * v);
    },
  },
  samples: [
    { name: "nearest, twice", inputs: [[2, 3, 3, 5]], attrs: { scale: 2 } },
    { name: "nearest to 7x4", inputs: [[1, 5, 3, 6]], attrs: { size: [7, 4] } },
    { name: "bilinear, twice", inputs: [[2, 3, 3, 5]], attrs: { scale: 2, mode: "bilinear" } },
    { name: "bilinear, 2 by 3", inputs: [[1, 4, 4, 3]], attrs: { scale: [2, 3], mode: "bilinear" } },
    { name: "bilinear, aligned", inputs: [[1, 3, 3, 5]], attrs: { size: [7, 8], mode: "bilinear", align: true } },
    { name: "bilinear, smaller", inputs: [[1, 2, 7, 9]], attrs: { size: [3, 4], mode: "bilinear" } },
    { name: "bilinear from one pixel", inputs: [[1, 6, 1, 1]], attrs: { size: 5, mode: "bilinear" } },
    { name: "aligned to one row", inputs: [[1, 2, 4, 4]], attrs: { size: [1, 6], mode: "bilinear", align: true } },
  ],
});
