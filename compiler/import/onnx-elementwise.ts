/** ONNX nodes that work on single elements: activations, norms, arithmetic with values and with constants. */
import type { TensorValues } from "../ir/values.ts";
import type { Constant, OnnxNode } from "./onnx-file.ts";
import {
  anyInput,
  constant,
  draftDims,
  float,
  give,
  giveLike,
  input,
  int,
  isPixel,
  labelOf,
  layer,
  type Reading,
  refuse,
  type Seen,
  settle,
  shortest,
  sizeOf,
  tensor,
  text,
} from "./onnx-reading.ts";
import { withBias, withBiasLast } from "./onnx-windows.ts";
import { sameDims } from "./reading.ts";
import { arrayOf, firstOf, numbersOf } from "./stored-values.ts";

/** One layer on one value; what does not depend on places keeps the sizes the file sees. */
function unary(cx: Reading, node: OnnxNode, op: string, attrs: Readonly<Record<string, unknown>> = {}): undefined {
  const from = anyInput(cx, node, 0);
  giveLike(cx, node, layer(cx, node, { op, inputs: [from.value], attrs }), from);
}

const PLAIN: Readonly<Record<string, string>> = {
  Relu: "relu",
  Sigmoid: "sigmoid",
  Tanh: "tanh",
  Softplus: "softplus",
  Mish: "mish",
  HardSwish: "hswish",
  Swish: "silu",
  Abs: "abs",
  Sqrt: "sqrt",
  Reciprocal: "recip",
};

export const isPlain = (op: string): boolean => Object.hasOwn(PLAIN, op);
export const plain = (cx: Reading, node: OnnxNode): undefined => unary(cx, node, PLAIN[node.op] as string);

export function activation(cx: Reading, node: OnnxNode): undefined {
  switch (node.op) {
    case "LeakyRelu":
      return unary(cx, node, "leaky_relu", { slope: float(node, "alpha", 0.01) });
    case "Elu":
      return unary(cx, node, "elu", { alpha: float(node, "alpha", 1) });
    case "Neg":
      return unary(cx, node, "times", { k: -1 });
    case "Gelu":
      return unary(cx, node, "gelu", text(node, "approximate", "none") === "tanh" ? { approx: "tanh" } : {});
    case "HardSigmoid":
      return hardSigmoid(cx, node);
    case "Clip":
      return clip(cx, node);
    case "ThresholdedRelu":
      return thresholded(cx, node, float(node, "alpha", 1));
    case "PRelu": {
      const from = input(cx, node, 0);
      const slope = constant(cx, node, 1) ?? refuse("its slopes are computed while the net runs");
      const shared = slope.data.length === 1;
      const weight = tensor(cx, node, 1, shared ? 1 : (from.dims[0] as number));
      return give(
        cx,
        node,
        layer(cx, node, { op: "prelu", inputs: [settle(cx, from, labelOf(node))], attrs: shared ? { shared } : {}, tensors: { weight } }),
      );
    }
    case "Pow": {
      const exponent = constant(cx, node, 1);
      const op =
        exponent?.data.length === 1
          ? ({ 2: "square", 0.5: "sqrt", "-1": "recip", "-0.5": "rsqrt" } as const)[String(firstOf(exponent)) as "2"]
          : undefined;
      return unary(cx, node, op ?? refuse("its exponent is none of 2, 0.5, -1, -0.5"));
    }
    default:
      return softmax(cx, node);
  }
}

/** Above every limit of a clip to 1, unless two values differ by less than any in a net. */
const STEEP = 1e30;

/** x where x > limit, else 0: x times the step there, which is exact: the difference of two floats that lie near each other is. */
function thresholded(cx: Reading, node: OnnxNode, limit: number): undefined {
  if (limit === 0) return unary(cx, node, "relu");
  const from = anyInput(cx, node, 0);
  const over = layer(cx, node, { op: "plus", inputs: [from.value], attrs: { k: -limit } });
  const steep = layer(cx, node, { op: "times", inputs: [over], attrs: { k: STEEP } });
  const step = layer(cx, node, { op: "clip", inputs: [steep], attrs: { min: 0, max: 1 } });
  giveLike(cx, node, layer(cx, node, { op: "mul", inputs: [from.value, step] }), from);
}

function hardSigmoid(cx: Reading, node: OnnxNode): undefined {
  const [alpha, beta] = [float(node, "alpha", 0.2), float(node, "beta", 0.5)];
  if (beta === 0.5 && Math.fround(alpha) === Math.fround(0.2)) return unary(cx, node, "hsigmoid5");
  if (beta === 0.5 && Math.abs(alpha - 1 / 6) < 1e-6) return unary(cx, node, "hsigmoid6");
  const from = anyInput(cx, node, 0);
  const scaled = layer(cx, node, { op: "times", inputs: [from.value], attrs: { k: alpha } });
  const moved = layer(cx, node, { op: "plus", inputs: [scaled], attrs: { k: beta } });
  giveLike(cx, node, layer(cx, node, { op: "clip", inputs: [moved], attrs: { min: 0, max: 1 } }), from);
}

function clip(cx: Reading, node: OnnxNode): undefined {
  const bound = (i: number, name: string, other: number): number => {
    if (node.inputs[i] && !constant(cx, node, i)) refuse(`\`${name}\` is computed while the net runs`);
    const given = firstOf(constant(cx, node, i));
    return given === undefined ? float(node, name, other) : shortest(given);
  };
  // the largest f32 stands for no limit
  const [min, max] = [Math.max(bound(1, "min", -3.4e38), -3.4e38), Math.min(bound(2, "max", 3.4e38), 3.4e38)];
  if (min === 0 && max === 6) return unary(cx, node, "relu6");
  if (min === 0 && max >= 3.4e38) return unary(cx, node, "relu");
  unary(cx, node, "clip", { min, max });
}

/** Min or Max with a number. */
export function limit(cx: Reading, node: OnnxNode): undefined {
  const which = constant(cx, node, 0) ? 0 : 1;
  const bound = constant(cx, node, which);
  if (node.inputs.length !== 2 || bound?.data.length !== 1) return refuse("it is not between a value and one number");
  const turned = { ...node, inputs: [node.inputs[1 - which] as string] };
  const k = shortest(firstOf(bound) as number);
  if (node.op === "Max") return k === 0 ? unary(cx, turned, "relu") : unary(cx, turned, "clip", { min: k, max: 3.4e38 });
  const from = anyInput(cx, turned, 0);
  const maker = cx.draft.nodeOf(from.value);
  // a relu that nothing else reads is left out
  if (k === 6 && maker?.op === "relu") return giveLike(cx, node, layer(cx, node, { op: "relu6", inputs: maker.inputs }), from);
  unary(cx, turned, "clip", { min: -3.4e38, max: k });
}

function softmax(cx: Reading, node: OnnxNode): undefined {
  const from = input(cx, node, 0);
  const given = int(node, "axis", cx.opset < 13 ? 1 : -1);
  const axis = given < 0 ? given + from.dims.length + 1 : given;
  const rest = from.dims.slice(1);
  const [channels = 0, ...map] = draftDims(cx, from.value);
  const put = (attrs: Readonly<Record<string, unknown>>): undefined =>
    give(cx, node, layer(cx, node, { op: "softmax", inputs: [from.value], attrs }), from.dims);
  // over the positions of maps that were laid out in a row
  if (map.length === 2 && axis === 2 && sameDims(from.dims, [channels, sizeOf(map)])) return put({ over: "hw" });
  // before opset 13 everything from the axis on is one run
  const fits = axis === 1 && (cx.opset >= 13 || rest.every((d) => d === 1));
  if (!fits) refuse(`over the axis ${given} of [N, ${from.dims}]`);
  // across runs of channels that were laid out under each other
  const parts = from.dims[0] as number;
  if (map.length === 2 && parts < channels && channels % parts === 0) return put({ parts });
  give(cx, node, layer(cx, node, { op: "softmax", inputs: [settle(cx, from, labelOf(node))] }));
}

/** Add, Sub, Mul, Div, Sum. */
export function arithmetic(cx: Reading, node: OnnxNode): undefined {
  if (node.op === "Sum") return several(cx, node);
  const [a, b] = [constant(cx, node, 0), constant(cx, node, 1)];
  if (a || b) return withConstant(cx, node, a ? 1 : 0, (a ?? b) as Constant);
  if (turnedAlike(cx, node)) return;
  const left = input(cx, node, 0);
  const right = input(cx, node, 1);
  const rank = Math.max(left.dims.length, right.dims.length);
  // numpy's rule: the shorter one gets sizes of 1 in front, which here would be before the batch
  if (left.dims.length !== right.dims.length) refuse(`it joins values of rank ${left.dims.length + 1} and ${right.dims.length + 1}`);
  if (node.op === "Mul" && node.inputs[0] === node.inputs[1]) return unary(cx, node, "square");
  const values = joined(cx, node, [left, right], rank);
  const value = joinedBy(cx, node, values[0] as string, values[1] as string);
  const made = draftDims(cx, value);
  const spread = [left.spread, right.spread].find((dims) => dims && !sameDims(dims, made));
  if (spread) refuse(`it joins values that are spread to [N, ${spread}]`);
  give(cx, node, value);
}

/** The four operations by two of ours. */
function joinedBy(cx: Reading, node: OnnxNode, x: string, y: string): string {
  const put = (op: string, inputs: readonly string[], attrs = {}): string => layer(cx, node, { op, inputs, attrs });
  const second = node.op === "Sub" ? put("times", [y], { k: -1 }) : node.op === "Div" ? put("recip", [y]) : y;
  return put(node.op === "Mul" || node.op === "Div" ? "mul" : "add", [x, second]);
}

/** Two maps that are both transposed in the same way are joined as they are. */
function turnedAlike(cx: Reading, node: OnnxNode): boolean {
  const [x, y] = [anyInput(cx, node, 0), anyInput(cx, node, 1)];
  // a pixel and its mean are in the same order either way
  if (isPixel(cx, x) && isPixel(cx, y)) {
    giveLike(cx, node, joinedBy(cx, node, x.value, y.value), x.dims[2] === 1 ? y : x);
    return true;
  }
  // a number for each channel beside a map that is channels last
  if (isLastOf(cx, x) && isVector(cx, y)) return joinedWith(cx, node, x, [x.value, vectorOf(cx, node, y)]);
  if (isLastOf(cx, y) && isVector(cx, x)) return joinedWith(cx, node, y, [vectorOf(cx, node, x), y.value]);
  const isAlike = x.perm && x.perm.join() === y.perm?.join() && sameDims(draftDims(cx, x.value), x.dims);
  if (!isAlike || !sameDims(draftDims(cx, y.value), y.dims)) return false;
  return joinedWith(cx, node, x, [x.value, y.value]);
}

function joinedWith(cx: Reading, node: OnnxNode, like: Seen, [a, b]: readonly [string, string]): boolean {
  const value = joinedBy(cx, node, a, b);
  giveLike(cx, node, value, { ...like, dims: draftDims(cx, value) });
  return true;
}

const isLastOf = (cx: Reading, { value, dims, perm }: Seen): boolean => perm?.join() === "0,2,3,1" && sameDims(draftDims(cx, value), dims);

/** [1, 1, C], of [C, 1, 1] or of features. */
function isVector(cx: Reading, { value, dims, perm, row }: Seen): boolean {
  const [channels] = draftDims(cx, value);
  return !perm && !row && dims.length === 3 && dims[0] === 1 && dims[1] === 1 && dims[2] === channels;
}

const vectorOf = (cx: Reading, node: OnnxNode, { value, dims, by }: Seen): string =>
  settle(cx, { value, dims: [dims[2] as number, 1, 1], by }, labelOf(node));

const joined = (cx: Reading, node: OnnxNode, all: readonly Seen[], rank: number): string[] =>
  all.map((s) => (rank === 1 || rank === 3 ? settle(cx, s, labelOf(node)) : refuse(`it joins values of rank ${rank + 1}`)));

function several(cx: Reading, node: OnnxNode): undefined {
  const all = node.inputs.map((_, i) => input(cx, node, i));
  const values = joined(cx, node, all, all[0]?.dims.length ?? 0);
  give(cx, node, values.length === 1 ? (values[0] as string) : layer(cx, node, { op: "add", inputs: values }));
}

function withConstant(cx: Reading, node: OnnxNode, which: 0 | 1, c: Constant): undefined {
  const from = anyInput(cx, node, which);
  const flipped = which === 1;
  if (c.data.length === 1) return withNumber(cx, node, from, shortest(firstOf(c) as number), flipped);
  if (from.row) input(cx, node, which);
  const isOne = isVector(cx, from);
  const channels = from.dims[isOne ? 2 : 0] as number;
  // the axis of the file that the channels are
  const axis = c.shape.length - from.dims.length - 1 + (isOne ? 3 : (from.perm?.indexOf(1) ?? 1));
  if (c.data.length !== channels || axis < 0 || c.shape.some((d, i) => d !== (i === axis ? channels : 1))) {
    return refuse(`its constant of shape [${c.shape}] is neither one number nor one per channel`);
  }
  const own = tensor(cx, node, 1 - which, channels);
  const fill = (f: (x: number) => number): { data: Float32Array } => ({ data: arrayOf(own.data).map(f) });
  const { value, dims, perm } = from;
  const inputs = [settle(cx, { value, dims: isOne ? [channels, 1, 1] : dims }, labelOf(node))];
  const scaled = (weight: { data: TensorValues; name?: string }): undefined =>
    giveLike(cx, node, layer(cx, node, { op: "affine", inputs, attrs: { bias: false }, tensors: { weight } }), from);
  const shifted = (sign: number, bias: { data: TensorValues; name?: string }): undefined =>
    giveLike(cx, node, layer(cx, node, { op: "affine", inputs, tensors: { weight: fill(() => sign), bias } }), from);
  const negative = fill((x) => -x);
  switch (node.op) {
    case "Mul":
      if (isOne || perm?.join() === "0,2,3,1")
        return withBiasLast(cx, node, { op: "affine", inputs, tensors: { weight: own } }, channels, { dims, perm });
      if (perm) return scaled(own);
      return withBias(cx, node, { op: "affine", inputs, tensors: { weight: own } }, channels, from.dims.length + 1, 2);
    case "Div":
      return flipped ? refuse("it divides a constant per channel by a value") : scaled(fill((x) => 1 / x));
    case "Add":
      return shifted(1, own);
    default:
      return flipped ? shifted(-1, own) : shifted(1, negative);
  }
}

function withNumber(cx: Reading, node: OnnxNode, from: Seen, k: number, flipped: boolean): undefined {
  const put = (op: string, value: string, attrs: Readonly<Record<string, unknown>> = {}): string =>
    layer(cx, node, { op, inputs: [value], attrs });
  const plus = (value: string, x: number): string => (x === 0 ? value : put("plus", value, { k: x }));
  const times = (value: string, x: number): string => (x === 1 ? value : put("times", value, { k: x }));
  switch (node.op) {
    case "Add":
      return giveLike(cx, node, plus(from.value, k), from);
    case "Sub":
      return giveLike(cx, node, flipped ? plus(times(from.value, -1), k) : plus(from.value, -k), from);
    case "Mul":
      return giveLike(cx, node, times(from.value, k), from);
    default:
      return giveLike(cx, node, flipped ? times(put("recip", from.value), k) : times(from.value, 1 / k), from);
  }
}

/** x * (1 + erf(x / sqrt 2)) / 2, written out: the nodes after Erf are taken over. */
export function gelu(cx: Reading, node: OnnxNode): undefined {
  const maker = [...cx.readers.values()].flat().find((n) => n.outputs[0] === node.inputs[0]);
  const x = maker?.inputs.find((name) => !cx.constants.has(name)) ?? "";
  const from = cx.seen.get(x) ?? refuse("it is no part of a GELU");
  let at = node;
  let halves = false;
  let withX = false;
  let plusOne = false;
  for (let step = 0; step < 4 && !(halves && withX && plusOne); step++) {
    const next = cx.readers.get(at.outputs[0] ?? "")?.[0];
    if (!next || (next.op !== "Mul" && next.op !== "Add")) break;
    const other = next.inputs.find((name) => name !== at.outputs[0]) ?? "";
    const number = firstOf(cx.constants.get(other));
    if (next.op === "Add" && number === 1) plusOne = true;
    else if (next.op === "Mul" && number === 0.5) halves = true;
    else if (next.op === "Mul" && other === x) withX = true;
    else if (next.op === "Mul" && isHalfOf(cx, other, x)) [withX, halves] = [true, true];
    else break;
    cx.done.add(next);
    at = next;
  }
  if (!(halves && withX && plusOne)) refuse("it is no part of a GELU");
  giveLike(cx, at, layer(cx, at, { op: "gelu", inputs: [from.value] }), from);
}

function isHalfOf(cx: Reading, name: string, x: string): boolean {
  const made = cx.readers.get(x)?.find((n) => n.outputs[0] === name && n.op === "Mul");
  return made?.inputs.some((i) => firstOf(cx.constants.get(i)) === 0.5) === true;
}

/** A value spread over a map, where the map itself is added or multiplied: there that happens by itself. */
export function expand(cx: Reading, node: OnnxNode): undefined {
  const from = input(cx, node, 0);
  const out = node.outputs[0] ?? "";
  const sizes = numbersOf((constant(cx, node, 1) ?? refuse("its sizes are computed while the net runs")).data);
  if (sizes.length > from.dims.length + 1) refuse("it changes the rank");
  const behind = from.dims.length - sizes.length;
  const dims = from.dims.map((d, i) => {
    const size = sizes[i - behind] ?? 1;
    return size === 1 || size === d ? d : d === 1 ? size : refuse(`it spreads [N, ${from.dims}] to [${sizes}]`);
  });
  give(cx, node, from.value, from.dims);
  const seen = cx.seen.get(out);
  if (!seen || sameDims(dims, from.dims)) return;
  const readers = cx.readers.get(out) ?? [];
  const isJoined = readers.every((r) => ["Mul", "Add", "Sub", "Div"].includes(r.op) && !r.inputs.some((i) => cx.constants.has(i)));
  if (!isJoined || cx.outputs.has(out)) refuse("what it spreads is not only multiplied or added");
  cx.seen.set(out, { ...seen, spread: dims });
}
