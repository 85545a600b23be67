/** Caffe's layers without weights: activations, sums and products, joins, and other sizes for the same elements. */
import { params } from "./caffe-net.ts";
import { type CaffeReading, only, put, type Step, seenIn, settle, unary } from "./caffe-reading.ts";
import { refuse, type SeenValue, sizeOf } from "./reading.ts";

const AXES = ["c", "h", "w"];

export function relu(cx: CaffeReading, step: Step): SeenValue {
  const slope = params(step.layer, "relu_param", ["negative_slope"]).float("negative_slope", 0);
  return slope === 0 ? unary(cx, step, "relu") : unary(cx, step, "leaky_relu", { slope });
}

export const elu = (cx: CaffeReading, step: Step): SeenValue => {
  const alpha = params(step.layer, "elu_param", ["alpha"]).float("alpha", 1);
  return unary(cx, step, "elu", alpha === 1 ? {} : { alpha });
};

export function clip(cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "clip_param", ["min", "max"]);
  const [min, max] = [p.float("min", Number.NaN), p.float("max", Number.NaN)];
  if (!(min <= max)) refuse("it has no bounds");
  return min === 0 && max === 6 ? unary(cx, step, "relu6") : unary(cx, step, "clip", { min, max });
}

export function swish(cx: CaffeReading, step: Step): SeenValue {
  const beta = params(step.layer, "swish_param", ["beta"]).float("beta", 1);
  return beta === 1 ? unary(cx, step, "silu") : refuse(`its beta is ${beta}`);
}

/** (shift + scale * x) ^ power */
export function power(cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "power_param", ["power", "scale", "shift"]);
  const from = only(step);
  let { value } = from;
  const then = (op: string, attrs: Readonly<Record<string, unknown>> = {}): void => {
    value = put(cx, step, { op, inputs: [value], attrs });
  };
  const [scale, shift, exponent] = [p.float("scale", 1), p.float("shift", 0), p.float("power", 1)];
  if (scale !== 1) then("times", { k: scale });
  if (shift !== 0) then("plus", { k: shift });
  const op = new Map([
    [2, "square"],
    [0.5, "sqrt"],
    [-1, "recip"],
    [-0.5, "rsqrt"],
  ]).get(exponent);
  if (exponent !== 1) then(op ?? refuse("its power is none of 1, 2, 0.5, -1, -0.5"));
  return { value, dims: from.dims };
}

export function lrn(cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "lrn_param", ["local_size", "alpha", "beta", "k", "norm_region"]);
  if (p.choice("norm_region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"]) !== "ACROSS_CHANNELS") refuse("it is within channels");
  const attrs = { size: p.int("local_size", 5), alpha: p.float("alpha", 1), beta: p.float("beta", 0.75), k: p.float("k", 1) };
  return seenIn(cx, put(cx, step, { op: "lrn", inputs: [settle(cx, step, only(step))], attrs }));
}

export function softmax(cx: CaffeReading, step: Step): SeenValue {
  const from = only(step);
  if (![1, -from.dims.length].includes(params(step.layer, "softmax_param", ["axis"]).int("axis", 1))) refuse("its axis is not 1");
  return { value: put(cx, step, { op: "softmax", inputs: [settle(cx, step, from)] }), dims: from.dims };
}

export function dropout(cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "dropout_param", ["dropout_ratio", "scale_train"]).float("dropout_ratio", 0.5);
  return unary(cx, step, "dropout", p === 0.5 ? {} : { p });
}

export function eltwise(cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "eltwise_param", ["operation", "coeff", "stable_prod_grad"]);
  const operation = p.choice("operation", ["PROD", "SUM", "MAX"], "SUM");
  const { inputs } = step;
  const [first] = inputs;
  if (!first || inputs.length < 2) return refuse(`it has ${inputs.length} bottoms`);
  if (inputs.some((i) => i.dims.join() !== first.dims.join())) refuse("its bottoms differ in size");
  const values = inputs.map((i) => settle(cx, step, i));
  const { dims } = first;
  if (operation === "PROD") return { value: put(cx, step, { op: "mul", inputs: values }), dims };
  if (operation === "MAX") {
    // max(a, b) = relu(a - b) + b
    const larger = (a: string, b: string): string => {
      const negative = put(cx, step, { op: "times", inputs: [b], attrs: { k: -1 } });
      const more = put(cx, step, { op: "relu", inputs: [put(cx, step, { op: "add", inputs: [a, negative] })] });
      return put(cx, step, { op: "add", inputs: [more, b] });
    };
    return { value: values.reduce(larger), dims };
  }
  const factors = p.floats("coeff");
  if (factors.length > 0 && factors.length !== values.length) refuse(`it has ${factors.length} coefficients for ${values.length} bottoms`);
  const terms = values.map((v, i) => ((factors[i] ?? 1) === 1 ? v : put(cx, step, { op: "times", inputs: [v], attrs: { k: factors[i] } })));
  return { value: put(cx, step, { op: "add", inputs: terms }), dims };
}

const axisOf = (axis: number, dims: readonly number[]): number => (axis < 0 ? axis + dims.length + 1 : axis);

export function concat(cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "concat_param", ["axis", "concat_dim"]);
  const [first] = step.inputs;
  const axis = axisOf(p.int("axis", p.int("concat_dim", 1)), first?.dims ?? []);
  if (axis < 1 || axis > 3) refuse("it joins images");
  if (first && step.inputs.length === 1) return first;
  const inputs = step.inputs.map((i) => settle(cx, step, i));
  return seenIn(cx, put(cx, step, { op: "concat", inputs, attrs: axis === 1 ? {} : { axis: AXES[axis - 1] } }));
}

export function slice(cx: CaffeReading, step: Step): readonly SeenValue[] {
  const p = params(step.layer, "slice_param", ["axis", "slice_dim", "slice_point"]);
  const from = only(step);
  const axis = axisOf(p.int("axis", p.int("slice_dim", 1)), from.dims);
  const size = from.dims[axis - 1] ?? refuse("it parts the batch");
  const parts = step.layer.tops.length;
  const points = p.ints("slice_point");
  if (points.length === 0 && size % parts !== 0) refuse(`it parts ${size} into ${parts}`);
  if (points.length > 0 && points.length !== parts - 1) refuse(`it has ${points.length} points for ${parts} tops`);
  const ends = points.length > 0 ? [...points, size] : step.layer.tops.map((_, i) => ((i + 1) * size) / parts);
  const value = settle(cx, step, from);
  return ends.map((stop, i) => {
    const attrs = { start: i === 0 ? 0 : (ends[i - 1] as number), stop, ...(axis === 1 ? {} : { axis: AXES[axis - 1] }) };
    return seenIn(cx, put(cx, step, { op: "slice", inputs: [value], attrs }));
  });
}

export function flatten(_cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "flatten_param", ["axis", "end_axis"]);
  const from = only(step);
  if (axisOf(p.int("axis", 1), from.dims) !== 1 || axisOf(p.int("end_axis", -1), from.dims) !== from.dims.length)
    refuse("it flattens other axes than all after the batch");
  return { value: from.value, dims: [sizeOf(from.dims)] };
}

export function reshape(_cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "reshape_param", ["shape", "axis", "num_axes"]);
  const from = only(step);
  if (p.int("axis", 0) !== 0 || p.int("num_axes", -1) !== -1) refuse("it reshapes some of the axes");
  const wanted = p.inner("shape")?.ints("dim") ?? [];
  const [batch, ...rest] = wanted.map((d, i) => (d === 0 && i > 0 ? (from.dims[i - 1] ?? Number.NaN) : d));
  const count = sizeOf(from.dims);
  const open = rest.indexOf(-1);
  if (open >= 0) rest[open] = count / -sizeOf(rest);
  const isBatch = batch === 0 || batch === 1 || (batch === -1 && open < 0);
  if (!isBatch || rest.some((d) => !Number.isInteger(d) || d < 1) || sizeOf(rest) !== count) {
    return refuse(`it makes [${wanted}] of [N, ${from.dims}]`);
  }
  return { value: from.value, dims: rest };
}

export function shuffle(cx: CaffeReading, step: Step): SeenValue {
  const groups = params(step.layer, "shuffle_channel_param", ["group"]).int("group", 1);
  return seenIn(cx, put(cx, step, { op: "chanshuffle", inputs: [settle(cx, step, only(step))], attrs: { groups } }));
}
