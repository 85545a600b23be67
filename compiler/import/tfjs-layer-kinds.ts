/** Layers of Keras, one function for each class: attribute names are those of `@tensorflow/tfjs-layers`, in the spelling of files. */
import type { Constant } from "./onnx-file.ts";
import { refuse, sizeOf } from "./reading.ts";
import { numbersOf } from "./stored-values.ts";
import { activation, relu6, softmax } from "./tfjs-activations.ts";
import type { KerasConfig } from "./tfjs-json.ts";
import { flag, isLastIn, number as numberOf, pairOf, pairs, sizes, text } from "./tfjs-layer-config.ts";
import { madeOnce, type NodeList, number, numbers, type Origin, onMap, put, putConstant } from "./tfjs-nodes.ts";
import { convolution, dense, type Named, pool, transposedConvolution, type Window } from "./tfjs-windows.ts";

export interface KerasValue {
  readonly value: string;
  /** With the batch; undefined where it is not known. */
  readonly rank: number | undefined;
}

export interface LayerReading {
  readonly list: NodeList;
  readonly origin: Origin;
  readonly config: KerasConfig;
  readonly inputs: readonly KerasValue[];
  /** Whether maps of this model are channels last. */
  readonly isLast: boolean;
  tensor(roles: readonly string[], index: number): Constant | undefined;
}

type Reader = (cx: LayerReading, x: KerasValue) => KerasValue;

const same: Reader = (_, x) => x;

const wanted = (cx: LayerReading, roles: readonly string[], index: number, role: string, part = ""): Named => ({
  constant: cx.tensor(roles, index) ?? refuse(`its tensor \`${roles[0]}\` is not in the file`),
  name: `${cx.origin.path}${part}.${role}`,
});

const biasOf = (cx: LayerReading, index: number, part = ""): Named | undefined =>
  flag(cx.config, "use_bias", true) ? wanted(cx, ["bias"], index, "bias", part) : undefined;

function ranked(x: KerasValue, rank: number): void {
  if (x.rank !== rank) refuse(`it reads a value of rank ${x.rank ?? "unknown"}`);
}

function windowOf(cx: LayerReading, stride = pairOf(cx.config, "strides", [1, 1])): Window {
  const padding = text(cx.config, "padding", "valid").toLowerCase();
  if (padding !== "same" && padding !== "valid") refuse(`its padding is ${padding}`);
  return {
    stride,
    dilation: pairOf(cx.config, "dilation_rate", [1, 1]),
    padding: padding === "same" ? "SAME" : "VALID",
    isLast: isLastIn(cx.config),
  };
}

/** What comes behind a layer that has an `activation` of its own: a layer without a name. */
function activated(cx: LayerReading, value: string, rank: number, isLast: boolean): KerasValue {
  const origin = { ...cx.origin, path: `${cx.origin.path}/Activation` };
  return { value: activation(cx.list, origin, value, text(cx.config, "activation", "linear"), rank, isLast), rank };
}

const kernelOf = (constant: Constant): Constant =>
  constant.shape.length === 4 ? constant : refuse(`its kernel has the shape [${constant.shape}]`);

function conv(kind: "conv" | "depthwise"): Reader {
  const roles = kind === "conv" ? ["kernel"] : ["depthwise_kernel", "kernel"];
  return (cx, x) => {
    ranked(x, 4);
    const kernel = wanted(cx, roles, 0, "weight");
    kernelOf(kernel.constant);
    const w = windowOf(cx);
    const filter = { kernel, bias: biasOf(cx, 1), kind, groups: numberOf(cx.config, "groups", 1) };
    return activated(cx, convolution(cx.list, cx.origin, x.value, filter, w), 4, w.isLast);
  };
}

function separable(cx: LayerReading, x: KerasValue): KerasValue {
  ranked(x, 4);
  const w = windowOf(cx);
  const kernel = wanted(cx, ["depthwise_kernel"], 0, "weight", ".depthwise");
  const point = wanted(cx, ["pointwise_kernel"], 1, "weight", ".pointwise");
  kernelOf(kernel.constant);
  kernelOf(point.constant);
  const between = convolution(cx.list, cx.origin, x.value, { kernel, kind: "depthwise" }, w);
  const filter = { kernel: point, bias: biasOf(cx, 2, ".pointwise"), kind: "conv" as const };
  return activated(
    cx,
    convolution(cx.list, cx.origin, between, filter, { ...w, stride: [1, 1], dilation: [1, 1], padding: "VALID" }),
    4,
    w.isLast,
  );
}

function deconv(cx: LayerReading, x: KerasValue): KerasValue {
  ranked(x, 4);
  const w = windowOf(cx);
  if (cx.config.output_padding) refuse("it has an output padding");
  if (w.dilation.some((d) => d !== 1)) refuse("it has a dilation");
  const kernel = wanted(cx, ["kernel"], 0, "weight");
  kernelOf(kernel.constant);
  return activated(cx, transposedConvolution(cx.list, cx.origin, x.value, { kernel, bias: biasOf(cx, 1), kind: "conv" }, w), 4, w.isLast);
}

function fullyConnected(cx: LayerReading, x: KerasValue): KerasValue {
  if (x.rank !== 2 && x.rank !== 4) refuse(`it reads a value of rank ${x.rank ?? "unknown"}`);
  const kernel = wanted(cx, ["kernel"], 0, "weight");
  if (kernel.constant.shape.length !== 2) refuse(`its kernel has the shape [${kernel.constant.shape}]`);
  // it works on the last axis of a map, which are its channels where they are last
  return activated(cx, dense(cx.list, cx.origin, x.value, x.rank === 4, kernel, biasOf(cx, 1)), x.rank, true);
}

/** Whether the last axis, or the one after the batch, is meant by `axis`; refused otherwise. */
function isLastAxis(cx: LayerReading, x: KerasValue): boolean {
  const given = cx.config.axis ?? -1;
  const axis = Array.isArray(given) && given.length === 1 ? given[0] : given;
  const rank = x.rank ?? refuse("it reads a value of unknown rank");
  const at = typeof axis === "number" ? (axis < 0 ? axis + rank : axis) : Number.NaN;
  if (at === rank - 1) return true;
  if (at === 1) return false;
  return refuse(`it is over the axis ${JSON.stringify(given)}`);
}

/** Scale and shift, or what stands for those that the layer has not. */
function scaleOf(cx: LayerReading, channels: number): { weight: string; bias: string; count: number } {
  const part = (role: string, own: string, isThere: boolean, index: number, other: number): string => {
    if (!isThere) {
      const fill = madeOnce(cx.list, `${channels} times ${other}`, () => ({
        shape: [channels],
        data: new Float32Array(channels).fill(other),
      }));
      return putConstant(cx.list, fill, `${cx.origin.path}.${role}`);
    }
    const { constant, name } = wanted(cx, [own], index, role);
    return putConstant(cx.list, constant, name);
  };
  const [scale, center] = [flag(cx.config, "scale", true), flag(cx.config, "center", true)];
  const weight = part("weight", "gamma", scale, 0, 1);
  const bias = part("bias", "beta", center, scale ? 1 : 0, 0);
  return { weight, bias, count: (scale ? 1 : 0) + (center ? 1 : 0) };
}

function batchNorm(cx: LayerReading, x: KerasValue): KerasValue {
  const isLast = isLastAxis(cx, x);
  const count = (flag(cx.config, "scale", true) ? 1 : 0) + (flag(cx.config, "center", true) ? 1 : 0);
  const mean = wanted(cx, ["moving_mean"], count, "running_mean");
  const variance = wanted(cx, ["moving_variance"], count + 1, "running_var");
  const { weight, bias } = scaleOf(cx, sizeOf(mean.constant.shape));
  const tensors = [weight, bias, putConstant(cx.list, mean.constant, mean.name), putConstant(cx.list, variance.constant, variance.name)];
  const epsilon = numberOf(cx.config, "epsilon", 1e-3);
  const { list, origin } = cx;
  const made = onMap(list, origin, x.value, x.rank === 4 && isLast, (v) =>
    put(list, origin, "BatchNormalization", [v, ...tensors], { epsilon }),
  );
  return { value: made, rank: x.rank };
}

function layerNorm(cx: LayerReading, x: KerasValue): KerasValue {
  if (!isLastAxis(cx, x)) refuse("it is not over the last axis");
  const { list, origin } = cx;
  const some = cx.tensor(["gamma"], 0) ?? cx.tensor(["beta"], 0) ?? refuse("it has neither scale nor shift");
  const { weight, bias } = scaleOf(cx, sizeOf(some.shape));
  const epsilon = numberOf(cx.config, "epsilon", 1e-3);
  return { value: put(list, origin, "LayerNormalization", [x.value, weight, bias], { axis: -1, epsilon }), rank: x.rank };
}

function pooling(kind: "max" | "average"): Reader {
  return (cx, x) => {
    ranked(x, 4);
    const kernel = pairOf(cx.config, "pool_size", [2, 2]);
    const w = { ...windowOf(cx, pairOf(cx.config, "strides", kernel)), dilation: [1, 1] as const };
    return { value: pool(cx.list, cx.origin, x.value, kind, kernel, w), rank: 4 };
  };
}

function globalPooling(op: string): Reader {
  return (cx, x) => {
    ranked(x, 4);
    const keep = flag(cx.config, "keepdims", false);
    const axes = isLastIn(cx.config) ? [1, 2] : [2, 3];
    return { value: put(cx.list, cx.origin, op, [x.value, numbers(cx.list, axes)], { keepdims: keep ? 1 : 0 }), rank: keep ? 4 : 2 };
  };
}

function zeroPadding(cx: LayerReading, x: KerasValue): KerasValue {
  ranked(x, 4);
  const [[top, bottom], [left, right]] = pairs(cx.config, "padding", [1, 1]);
  const amounts = numbers(cx.list, [0, 0, top, left, 0, 0, bottom, right]);
  return { value: onMap(cx.list, cx.origin, x.value, isLastIn(cx.config), (v) => put(cx.list, cx.origin, "Pad", [v, amounts])), rank: 4 };
}

function cropping(cx: LayerReading, x: KerasValue): KerasValue {
  ranked(x, 4);
  const [[top, bottom], [left, right]] = pairs(cx.config, "cropping", [0, 0]);
  const end = (cut: number): number => (cut === 0 ? 2 ** 31 : -cut);
  const parts = [
    [top, left],
    [end(bottom), end(right)],
    [2, 3],
  ].map((p) => numbers(cx.list, p));
  return {
    value: onMap(cx.list, cx.origin, x.value, isLastIn(cx.config), (v) => put(cx.list, cx.origin, "Slice", [v, ...parts])),
    rank: 4,
  };
}

function upSampling(cx: LayerReading, x: KerasValue): KerasValue {
  ranked(x, 4);
  const [h, w] = pairOf(cx.config, "size", [2, 2]);
  const mode = text(cx.config, "interpolation", "nearest");
  // TensorFlow.js takes pixels by their corners, in both modes
  const attrs = { mode: mode === "bilinear" ? "linear" : mode, coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };
  const scales = numbers(cx.list, [1, 1, h, w]);
  return {
    value: onMap(cx.list, cx.origin, x.value, isLastIn(cx.config), (v) => put(cx.list, cx.origin, "Resize", [v, "", scales], attrs)),
    rank: 4,
  };
}

/** Operands of one rank, those of a lower one with axes of 1 after the batch (`Merge.call`), and channels first where they are maps. */
function merged(cx: LayerReading, make: (values: readonly string[], isTurned: boolean) => string): KerasValue {
  const { list, origin, inputs } = cx;
  const ranks = inputs.map((i) => i.rank ?? refuse("it reads a value of unknown rank"));
  const rank = Math.max(...ranks);
  const isTurned = rank === 4 && cx.isLast;
  const values = inputs.map(({ value }, i) => {
    const missing = rank - (ranks[i] as number);
    const whole =
      missing === 0
        ? value
        : put(list, origin, "Unsqueeze", [
            value,
            numbers(
              list,
              Array.from({ length: missing }, (_, n) => n + 1),
            ),
          ]);
    return isTurned ? put(list, origin, "Transpose", [whole], { perm: [0, 3, 1, 2] }) : whole;
  });
  const result = make(values, isTurned);
  return { value: isTurned ? put(list, origin, "Transpose", [result], { perm: [0, 2, 3, 1] }) : result, rank };
}

const joinedBy =
  (op: string): Reader =>
  (cx) =>
    merged(cx, (values) => values.slice(1).reduce((a, b) => put(cx.list, cx.origin, op, [a, b]), values[0] as string));

const sum = (cx: LayerReading, values: readonly string[]): string =>
  values.length === 2 ? put(cx.list, cx.origin, "Add", values) : put(cx.list, cx.origin, "Sum", values);

function concatenate(cx: LayerReading): KerasValue {
  if (new Set(cx.inputs.map((i) => i.rank)).size > 1) refuse("it joins values of different ranks");
  const rank = cx.inputs[0]?.rank ?? 0;
  const given = numberOf(cx.config, "axis", -1);
  const axis = given < 0 ? given + rank : given;
  return merged(cx, (values, isTurned) => put(cx.list, cx.origin, "Concat", values, { axis: isTurned ? ([0, 2, 3, 1][axis] ?? 0) : axis }));
}

function reshape(cx: LayerReading, x: KerasValue): KerasValue {
  const target = sizes(cx.config, "target_shape").map((d) => d ?? -1);
  // 0 stands for the batch as it is
  return { value: put(cx.list, cx.origin, "Reshape", [x.value, numbers(cx.list, [0, ...target])]), rank: target.length + 1 };
}

function flatten(cx: LayerReading, x: KerasValue): KerasValue {
  const { list, origin } = cx;
  const isFirst = cx.config.data_format !== undefined && !isLastIn(cx.config) && x.rank === 4;
  const last = isFirst ? put(list, origin, "Transpose", [x.value], { perm: [0, 2, 3, 1] }) : x.value;
  return { value: put(list, origin, "Flatten", [last]), rank: 2 };
}

function permute(cx: LayerReading, x: KerasValue): KerasValue {
  const perm = [0, ...sizes(cx.config, "dims").map((d) => d ?? 0)];
  return { value: put(cx.list, cx.origin, "Transpose", [x.value], { perm }), rank: x.rank };
}

function relu(cx: LayerReading, x: KerasValue): KerasValue {
  const { list, origin, config } = cx;
  const [slope, threshold] = [numberOf(config, "negative_slope", 0), numberOf(config, "threshold", 0)];
  const max = config.max_value === null || config.max_value === undefined ? undefined : numberOf(config, "max_value", 0);
  if (threshold !== 0) refuse(`its threshold is ${threshold}`);
  if (slope === 0 && max === 6) return { ...x, value: relu6(list, origin, x.value) };
  if (slope === 0 && max !== undefined) return { ...x, value: put(list, origin, "Clip", [x.value, number(list, 0), number(list, max)]) };
  const bent = slope === 0 ? put(list, origin, "Relu", [x.value]) : put(list, origin, "LeakyRelu", [x.value], { alpha: slope });
  return { ...x, value: max === undefined ? bent : put(list, origin, "Min", [bent, number(list, max)]) };
}

function prelu(cx: LayerReading, x: KerasValue): KerasValue {
  const alpha = wanted(cx, ["alpha"], 0, "weight");
  const { shape } = alpha.constant;
  const isLast = x.rank === 4 && cx.isLast;
  if (shape.some((d, i) => d !== 1 && i !== (x.rank === 4 && !isLast ? 0 : shape.length - 1))) refuse("it has a slope for every position");
  const slopes = putConstant(cx.list, alpha.constant, alpha.name);
  return { ...x, value: onMap(cx.list, cx.origin, x.value, isLast, (v) => put(cx.list, cx.origin, "PRelu", [v, slopes])) };
}

/** One number, or one for every channel. */
function factor(cx: LayerReading, name: string, other: number): string {
  const given = cx.config[name] ?? other;
  const all = Array.isArray(given) ? given : [given];
  if (all.length === 0 || !all.every((v): v is number => typeof v === "number")) refuse(`\`${name}\` is no number`);
  return putConstant(cx.list, { shape: all.length === 1 ? [] : [all.length], data: Float32Array.from(all) });
}

function rescaling(cx: LayerReading, x: KerasValue): KerasValue {
  const scaled = put(cx.list, cx.origin, "Mul", [x.value, factor(cx, "scale", 1)]);
  return { ...x, value: put(cx.list, cx.origin, "Add", [scaled, factor(cx, "offset", 0)]) };
}

/** (x - mean) / max(sqrt(variance), 1e-7), as one factor and one addend for every channel. */
function normalization(cx: LayerReading, x: KerasValue): KerasValue {
  if (!isLastAxis(cx, x)) refuse("it is not over the last axis");
  const listed = (name: string, index: number): readonly number[] => {
    const given = cx.config[name];
    const flat = Array.isArray(given) ? given.flat(8) : typeof given === "number" ? [given] : undefined;
    if (flat?.every((v): v is number => typeof v === "number")) return flat;
    return numbersOf((cx.tensor([name], index) ?? refuse(`its \`${name}\` is not in the file`)).data);
  };
  const [mean, variance] = [listed("mean", 0), listed("variance", 1)];
  if (flag(cx.config, "invert", false)) refuse("it is inverted");
  if (mean.length !== variance.length || mean.length === 0) refuse("its mean and variance differ in size");
  const factors = variance.map((v) => 1 / Math.max(Math.sqrt(v), 1e-7));
  const shape = mean.length === 1 ? [] : [mean.length];
  const constant = (data: readonly number[], role: string): string => {
    const name = `${cx.origin.path}.${role}`;
    return putConstant(
      cx.list,
      madeOnce(cx.list, name, () => ({ shape, data: Float32Array.from(data) })),
      name,
    );
  };
  const scaled = put(cx.list, cx.origin, "Mul", [x.value, constant(factors, "weight")]);
  const shift = mean.map((m, i) => -m * (factors[i] as number));
  return { ...x, value: put(cx.list, cx.origin, "Add", [scaled, constant(shift, "bias")]) };
}

const READERS: Readonly<Record<string, Reader>> = {
  Conv2D: conv("conv"),
  DepthwiseConv2D: conv("depthwise"),
  SeparableConv2D: separable,
  Conv2DTranspose: deconv,
  Dense: fullyConnected,
  BatchNormalization: batchNorm,
  LayerNormalization: layerNorm,
  MaxPooling2D: pooling("max"),
  AveragePooling2D: pooling("average"),
  GlobalAveragePooling2D: globalPooling("ReduceMean"),
  GlobalMaxPooling2D: globalPooling("ReduceMax"),
  ZeroPadding2D: zeroPadding,
  Cropping2D: cropping,
  UpSampling2D: upSampling,
  Add: (cx) => merged(cx, (values) => sum(cx, values)),
  Average: (cx) => merged(cx, (values) => put(cx.list, cx.origin, "Mul", [sum(cx, values), number(cx.list, 1 / values.length)])),
  Multiply: joinedBy("Mul"),
  Subtract: joinedBy("Sub"),
  Concatenate: concatenate,
  Reshape: reshape,
  Flatten: flatten,
  Permute: permute,
  ReLU: relu,
  LeakyReLU: (cx, x) => {
    const alpha = numberOf(cx.config, "alpha", numberOf(cx.config, "negative_slope", 0.3));
    return { ...x, value: put(cx.list, cx.origin, "LeakyRelu", [x.value], { alpha }) };
  },
  ELU: (cx, x) => ({ ...x, value: put(cx.list, cx.origin, "Elu", [x.value], { alpha: numberOf(cx.config, "alpha", 1) }) }),
  PReLU: prelu,
  ThresholdedReLU: (cx, x) => ({
    ...x,
    value: put(cx.list, cx.origin, "ThresholdedRelu", [x.value], { alpha: numberOf(cx.config, "theta", 1) }),
  }),
  Softmax: (cx, x) => ({ ...x, value: softmax(cx.list, cx.origin, x.value, numberOf(cx.config, "axis", 1), x.rank, cx.isLast) }),
  Activation: (cx, x) => ({
    ...x,
    value: activation(cx.list, cx.origin, x.value, text(cx.config, "activation", "linear"), x.rank, cx.isLast),
  }),
  Rescaling: rescaling,
  Normalization: normalization,
  // they work while a net is trained only
  ...Object.fromEntries(
    "Dropout SpatialDropout1D SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout ActivityRegularization InputLayer"
      .split(" ")
      .map((kind) => [kind, same]),
  ),
};

export const isKnownLayer = (kind: string): boolean => Object.hasOwn(READERS, kind);

/** Adds the nodes of one call of a layer; refuses what has no equivalent. */
export function readLayer(kind: string, cx: LayerReading): KerasValue {
  const [first, ...more] = cx.inputs;
  if (!first) return refuse("it reads nothing");
  const isMerge = ["Add", "Average", "Multiply", "Subtract", "Concatenate"].includes(kind);
  if (!isMerge && more.length > 0) refuse(`it reads ${cx.inputs.length} values`);
  if (isMerge && more.length === 0 && kind !== "Concatenate") refuse("it reads one value");
  return (READERS[kind] as Reader)(cx, first);
}
