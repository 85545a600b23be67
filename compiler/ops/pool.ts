/** Windows of maximum and average pooling: sizes with floor or ceil, plain f64 reference, loop kernels. */
import { messages } from "../diagnostics/messages.gen.ts";
import * as x from "../ir/expr.ts";
import type { Value } from "../ir/graph.ts";
import type { Expr, LoopKernel } from "../ir/kernel.ts";
import { f32, type TensorType } from "../ir/type.ts";
import { LOWEST, loopKernel, realAxes, tapAt, type WindowAxis } from "./kernels.ts";
import type { Problem, Tensor } from "./op.ts";
import { batchOf, channels, nothingLeft, notMap, type Pad, pairOf, resolvePad, type Size, sizeText, spatial } from "./shape.ts";
import { mapShape, zeros } from "./tensor.ts";

export interface PoolAttrs {
  readonly kernel: Size;
  /** The kernel unless given. */
  readonly stride?: Size | undefined;
  readonly pad: Pad;
  readonly dilation?: Size;
  readonly ceil: boolean;
}

export interface PoolAxis extends WindowAxis {
  readonly after: number;
}

/** Floor or ceil of (n + pads - reach) / stride, plus 1; with ceil, one less if the last window would start past the input and its leading pad. */
function poolLength(n: number, before: number, after: number, reach: number, stride: number, ceil: boolean): number {
  const steps = (n + before + after - reach) / stride;
  if (!ceil) return Math.floor(steps) + 1;
  const length = Math.ceil(steps) + 1;
  return (length - 1) * stride >= n + before ? length - 1 : length;
}

/** The two axes of a pool; sizes below 1 are the caller's to report. */
export function poolAxes(input: TensorType, a: PoolAttrs): readonly [PoolAxis, PoolAxis] {
  const hw = spatial(input);
  const kernel = pairOf(a.kernel);
  const stride = pairOf(a.stride ?? a.kernel);
  const dilation = pairOf(a.dilation ?? 1);
  const pad = resolvePad(a.pad, hw, kernel, stride, dilation);
  const axis = (i: 0 | 1): PoolAxis => {
    const [before, after] = [pad[i], pad[i + 2] as number];
    const reach = dilation[i] * (kernel[i] - 1) + 1;
    return {
      in: hw[i],
      out: poolLength(hw[i], before, after, reach, stride[i], a.ceil),
      kernel: kernel[i],
      stride: stride[i],
      dilation: dilation[i],
      before,
      after,
    };
  };
  return [axis(0), axis(1)];
}

/** Taps of output `o` that lie inside the input. */
function taps(axis: WindowAxis, o: number): number[] {
  const inside: number[] = [];
  for (let k = 0; k < axis.kernel; k++) {
    const at = o * axis.stride + k * axis.dilation - axis.before;
    if (at >= 0 && at < axis.in) inside.push(at);
  }
  return inside;
}

export function poolType(layer: string, input: TensorType, a: PoolAttrs): TensorType | Problem {
  const wrong = notMap(layer, input);
  if (wrong) return wrong;
  const [h, w] = poolAxes(input, a);
  if (h.out < 1 || w.out < 1) return nothingLeft(spatial(input), a.kernel);
  for (const axis of [h, w])
    for (let o = 0; o < axis.out; o++)
      if (taps(axis, o).length === 0)
        return { problem: messages.SE206.padding({ kernel: sizeText(a.kernel), size: sizeText(spatial(input)) }), arg: "pad" };
  return f32(batchOf(input), channels(input), h.out, w.out);
}

/** Elements the windows of one image read. */
export const poolOps = (output: TensorType, a: PoolAttrs): number => {
  const [kh, kw] = pairOf(a.kernel);
  const [h, w] = spatial(output);
  return channels(output) * h * w * kh * kw;
};

/** Elements an average divides by along one axis: the window clipped to the padded map, or to the map itself. */
function span(axis: PoolAxis, o: number, countPad: boolean): number {
  const start = o * axis.stride - axis.before;
  const end = Math.min(start + axis.kernel, countPad ? axis.in + axis.after : axis.in);
  return end - (countPad ? start : Math.max(start, 0));
}

/** Divisors of an average along rows and columns: that of output (y, x) is rows[y] * columns[x]. */
export function poolSpans(
  input: TensorType,
  a: PoolAttrs,
  countPad: boolean,
): readonly [rows: readonly number[], columns: readonly number[]] {
  const [h, w] = poolAxes(input, a);
  const spans = (axis: PoolAxis): number[] => Array.from({ length: axis.out }, (_, o) => span(axis, o, countPad));
  return [spans(h), spans(w)];
}

export function poolReference(input: Tensor, a: PoolAttrs, fn: "max" | "mean", countPad = false): Tensor {
  const [n, c, inH, inW] = mapShape(input);
  const [h, w] = poolAxes(f32(n, c, inH, inW), a);
  const output = zeros([n, c, h.out, w.out]);
  const rows = Array.from({ length: h.out }, (_, o) => taps(h, o));
  const columns = Array.from({ length: w.out }, (_, o) => taps(w, o));
  let i = 0;
  for (let plane = 0; plane < n * c; plane++)
    for (let y = 0; y < h.out; y++)
      for (let xx = 0; xx < w.out; xx++) {
        let max = Number.NEGATIVE_INFINITY;
        let sum = 0;
        for (const row of rows[y]!)
          for (const column of columns[xx]!) {
            const v = input.data[(plane * inH + row) * inW + column]!;
            max = Math.max(max, v);
            sum += v;
          }
        output.data[i++] = fn === "max" ? max : sum / (span(h, y, countPad) * span(w, xx, countPad));
      }
  return output;
}

/** `span` as an expression of the output index; a constant where all windows are equal. */
function spanExpr(axis: PoolAxis, o: Expr, countPad: boolean): Expr {
  const spans = new Set(Array.from({ length: axis.out }, (_, i) => span(axis, i, countPad)));
  if (spans.size === 1) return x.int(span(axis, 0, countPad));
  const start = x.sub(x.mul(o, axis.stride), axis.before);
  const end = x.min(x.add(start, axis.kernel), countPad ? axis.in + axis.after : axis.in);
  return x.sub(end, countPad || axis.before === 0 ? start : x.max(start, 0));
}

export function poolKernel(name: string, input: Value, output: Value, a: PoolAttrs, fn: "max" | "mean", countPad = false): LoopKernel {
  const [h, w] = poolAxes(input.type, a);
  const row = tapAt(h, x.index("y"), x.index("kh"));
  const column = tapAt(w, x.index("x"), x.index("kw"));
  const value = x.load(0, [x.index("n"), x.index("c"), row.at, column.at]);
  return loopKernel({
    name,
    reads: [input],
    output,
    reduce: {
      over: realAxes([
        { name: "kh", size: h.kernel },
        { name: "kw", size: w.kernel },
      ]),
      fn: fn === "max" ? "max" : "add",
    },
    body: x.select(x.and(row.inside, column.inside), value, fn === "max" ? LOWEST : 0),
    epilogue:
      fn === "max" ? x.ACC : x.div(x.ACC, x.toFloat(x.mul(spanExpr(h, x.index("y"), countPad), spanExpr(w, x.index("x"), countPad)))),
  });
}
