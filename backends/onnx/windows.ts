/** Windows: convolutions, pools, resizing and padding, with every size written out, so that no rounding rule of a runtime is asked. */
import type { Node } from "../../compiler/ir/graph.ts";
import type { TensorType } from "../../compiler/ir/type.ts";
import type { NodeOf } from "../../compiler/ops/index.ts";
import { type PoolAttrs, poolAxes, poolSpans } from "../../compiler/ops/pool.ts";
import { pairOf, resolvePad, spatial } from "../../compiler/ops/shape.ts";
import { type Call, call, float, floats, int, ints, type Operand, scalar, text, whole } from "./expr.ts";

const inputType = (node: Node): TensorType => (node.inputs[0] as { type: TensorType }).type;

export function convolution(node: NodeOf<"conv">, inputs: readonly Operand[]): Call {
  const a = node.attrs;
  const [kernel, stride, dilation] = [pairOf(a.kernel), pairOf(a.stride), pairOf(a.dilation)];
  return call(
    "Conv",
    inputs,
    ints("kernel_shape", kernel),
    ints("strides", stride),
    ints("pads", resolvePad(a.pad, spatial(inputType(node)), kernel, stride, dilation)),
    ints("dilations", dilation),
    int("group", a.groups),
  );
}

/**
 * `bias` is apart from `inputs`. ONNX Runtime wants output_padding under the stride or the dilation: more of it first takes rows back that
 * the padding cuts off; what is still missing lies beyond every product and is a border of zeros.
 */
export function transposedConvolution(node: NodeOf<"deconv">, inputs: readonly Operand[], bias: Operand | undefined): Call {
  const a = node.attrs;
  const [stride, dilation] = [pairOf(a.stride), pairOf(a.dilation)];
  const [top, left, ...end] = resolvePad(a.pad, spatial(inputType(node)), [1, 1], [1, 1], [1, 1]);
  const sides = pairOf(a.out_pad).map((extra, i) => {
    const cut = end[i] as number;
    const most = Math.max(stride[i] as number, dilation[i] as number) - 1;
    if (extra <= most) return { cut, extra, border: 0 };
    const beyond = Math.max(extra - cut, 0);
    return { cut: Math.max(cut - extra, 0), extra: Math.min(beyond, most), border: Math.max(beyond - most, 0) };
  });
  const borders = sides.map((s) => s.border);
  const bordered = borders.some((n) => n > 0);
  const convolved = call(
    "ConvTranspose",
    bias === undefined || bordered ? inputs : [...inputs, bias],
    ints("kernel_shape", pairOf(a.kernel)),
    ints("strides", stride),
    ints("pads", [top, left, ...sides.map((s) => s.cut)]),
    ints(
      "output_padding",
      sides.map((s) => s.extra),
    ),
    ints("dilations", dilation),
    int("group", a.groups),
  );
  if (!bordered) return convolved;
  const grown = call("Pad", [convolved, whole(0, 0, 0, 0, 0, 0, ...borders), scalar(0)], text("mode", "constant"));
  return bias === undefined ? grown : call("Add", [grown, call("Unsqueeze", [bias, whole(1, 2)])]);
}

interface PoolWindow {
  /** [top, left, bottom, right], to exactly what the windows read: the result then has its size without `ceil_mode`. */
  readonly pads: readonly [number, number, number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
}

function poolWindow(input: TensorType, a: PoolAttrs): PoolWindow {
  const [h, w] = poolAxes(input, a);
  const after = (x: typeof h): number => Math.max(0, (x.out - 1) * x.stride + x.dilation * (x.kernel - 1) + 1 - x.in - x.before);
  return {
    pads: [h.before, w.before, after(h), after(w)],
    kernel: [h.kernel, w.kernel],
    strides: [h.stride, w.stride],
    dilations: [h.dilation, w.dilation],
  };
}

/** The least finite f32. */
const LOWEST = -3.4028234663852886e38;

/** `border`: what a border holds that has to be an operation of its own, because runtimes want a pool's padding under its kernel. */
function pooled(op: string, x: string, w: PoolWindow, border: number, ...more: Call["attributes"]): Call {
  const inside = w.pads.every((p, i) => p < (w.kernel[i % 2] as number));
  const [top, left, bottom, right] = w.pads;
  const from = inside ? x : call("Pad", [x, whole(0, 0, top, left, 0, 0, bottom, right), scalar(border)], text("mode", "constant"));
  const pads = inside ? w.pads : [0, 0, 0, 0];
  return call(op, [from], ints("kernel_shape", w.kernel), ints("strides", w.strides), ints("pads", pads), ...more);
}

export function maxPool(node: Node, x: string, a: PoolAttrs): Call {
  const w = poolWindow(inputType(node), a);
  return pooled("MaxPool", x, w, LOWEST, ...(w.dilations.some((d) => d > 1) ? [ints("dilations", w.dilations)] : []));
}

export function averagePool(node: Node, x: string, a: PoolAttrs, countPad: boolean): Call {
  const w = poolWindow(inputType(node), a);
  const mean = pooled("AveragePool", x, w, 0, int("count_include_pad", countPad ? 1 : 0));
  if (!countPad) return mean;
  const [rows, columns] = poolSpans(inputType(node), a, true);
  const [kh, kw] = w.kernel;
  if (rows.every((n) => n === kh) && columns.every((n) => n === kw)) return mean;
  // windows that `ceil` lets hang over the padded edge divide by less than the kernel
  const factors = rows.flatMap((r) => columns.map((c) => (kh * kw) / (r * c)));
  return call("Mul", [mean, floats([1, 1, rows.length, columns.length], factors)]);
}

/** Source index of each index of the result of a nearest resize: floor(i * from / to), exact. */
const nearest = (from: number, to: number): number[] => Array.from({ length: to }, (_, i) => Math.floor((i * from) / to));

/** Source position of output `o` as a fraction of whole numbers: half-pixel centres, or corners on corners. */
function position(from: number, to: number, align: boolean, o: number): readonly [numerator: number, denominator: number] {
  if (align) return to === 1 ? [0, 1] : [o * (from - 1), to - 1];
  return [Math.max((2 * o + 1) * from - to, 0), 2 * to];
}

/** Weights [to, from] of a bilinear resize along one axis. */
function weights(from: number, to: number, align: boolean): number[] {
  const matrix = new Array<number>(from * to).fill(0);
  for (let o = 0; o < to; o++) {
    const [at, over] = position(from, to, align, o);
    const first = Math.floor(at / over);
    const share = (at % over) / over;
    const second = Math.min(first + 1, from - 1);
    matrix[o * from + first] = (matrix[o * from + first] as number) + 1 - share;
    matrix[o * from + second] = (matrix[o * from + second] as number) + share;
  }
  return matrix;
}

const transposed = (matrix: readonly number[], rows: number, columns: number): number[] =>
  Array.from({ length: columns * rows }, (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)] as number);

const powerOfTwo = (factor: number): boolean => Number.isInteger(Math.log2(factor));

/** Whether o * (from - 1) / (to - 1) has no rounding in f32 for any o. */
function alignsExactly(from: number, to: number): boolean {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  return to === 1 || powerOfTwo((to - 1) / gcd(from - 1, to - 1));
}

/**
 * `Resize` where its own f32 arithmetic gives exact source positions. Elsewhere runtimes divide by a rounded factor, which picks another
 * pixel or moves far positions by more than a result may be off, so indices and weights are constants instead. Sizes cannot be given as
 * sizes: they would have to include the open batch.
 */
export function resize(node: NodeOf<"upsample">, x: string): Call {
  const [h, w] = spatial(inputType(node));
  const [oh, ow] = spatial(node.output.type);
  const { mode, align } = node.attrs;
  const by = (scales: readonly [number, number], how: string, positions: string, ...more: Call["attributes"]): Call => {
    const factors = floats([4], [1, 1, ...scales]);
    return call("Resize", [x, "", factors], text("mode", how), text("coordinate_transformation_mode", positions), ...more);
  };
  const scales = [oh / h, ow / w] as const;
  if (mode === "nearest") {
    if (scales.every(Number.isInteger)) return by(scales, "nearest", "asymmetric", text("nearest_mode", "floor"));
    return call("Gather", [call("Gather", [x, whole(...nearest(h, oh))], int("axis", 2)), whole(...nearest(w, ow))], int("axis", 3));
  }
  if (align && alignsExactly(h, oh) && alignsExactly(w, ow)) return by([scaleTo(h, oh), scaleTo(w, ow)], "linear", "align_corners");
  if (!align && scales.every(powerOfTwo)) return by(scales, "linear", "half_pixel");
  const rows = floats([oh, h], weights(h, oh, align));
  return call("MatMul", [call("MatMul", [rows, x]), floats([w, ow], transposed(weights(w, ow, align), ow, w))]);
}

/** The least f32 factor that makes `to` of `from` when the product is rounded down. */
function scaleTo(from: number, to: number): number {
  const scale = Math.fround(to / from);
  // one step of f32 up: relative 2^-23, far from the next whole number
  return scale * from >= to ? scale : Math.fround(scale * (1 + 2 ** -23));
}

export function padding(node: NodeOf<"pad">, x: string): Call {
  const { amount, mode, value, axis } = node.attrs;
  const pads = [0, 0, 0, 0, 0, 0, 0, 0];
  if (axis === "c") {
    const [before = 0, after = before] = typeof amount === "number" ? [amount, amount] : amount;
    [pads[1], pads[5]] = [before, after];
  } else [pads[2], pads[3], pads[6], pads[7]] = resolvePad(amount, spatial(inputType(node)), [1, 1], [1, 1], [1, 1]);
  const border = mode === "constant" ? [scalar(value)] : [];
  return call("Pad", [x, whole(...pads), ...border], text("mode", mode));
}

/**
 * Local response normalisation. The operation's window has one channel more behind than before where the size is even, the layer's the other
 * way round; and ONNX Runtime takes odd sizes only. An even window is an average over the channels, as an axis of its own.
 */
export function localResponse(node: NodeOf<"lrn">, x: string): Call {
  const { size, alpha, beta, k } = node.attrs;
  if (size % 2 === 1) return call("LRN", [x], int("size", size), float("alpha", alpha), float("beta", beta), float("bias", k));
  const [, c, h, w] = inputType(node).shape as number[];
  const before = size / 2;
  const squares = call("Reshape", [call("Mul", [x, x]), whole(0, 1, c as number, -1)]);
  const mean = call(
    "AveragePool",
    [squares],
    ints("kernel_shape", [size, 1]),
    ints("pads", [before, 0, size - 1 - before, 0]),
    int("count_include_pad", 1),
  );
  const base = call("Add", [
    call("Mul", [call("Reshape", [mean, whole(0, c as number, h as number, w as number)]), scalar(alpha)]),
    scalar(k),
  ]);
  return call("Div", [x, call("Pow", [base, scalar(beta)])]);
}
