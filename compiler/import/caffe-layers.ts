/** Caffe's layers with windows, weights or norms (caffe.proto; the arithmetic is that of src/caffe/layers). */
import { type CaffeLayer, type Params, params } from "./caffe-net.ts";
import { asMap, blob, type CaffeReading, only, put, type Step, seenIn, settle, weightAndBias } from "./caffe-reading.ts";
import { border, dimsIn, pair, refuse, type SeenValue, sizeOf } from "./reading.ts";

const WINDOW = "pad pad_h pad_w kernel_size kernel_h kernel_w stride stride_h stride_w".split(" ");

/** [h, w] in all the spellings: `x_h` and `x_w`, or `x` once or twice. */
function spatial(p: Params, name: string, other: number, short = name): readonly [number, number] {
  const [h, w] = [`${short}_h`, `${short}_w`];
  const both = p.ints(name);
  if (p.has(h) || p.has(w)) {
    if (both.length > 0) refuse(`it has \`${name}\` and \`${p.has(h) ? h : w}\``);
    return [p.int(h, other), p.int(w, other)];
  }
  if (both.length > 2) refuse(`it has ${both.length} axes`);
  return [both[0] ?? other, both[1] ?? both[0] ?? other];
}

interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pad: readonly [number, number];
}

function windowOf(p: Params): Window {
  const kernel = spatial(p, "kernel_size", 0, "kernel");
  if (kernel.some((k) => k < 1)) refuse("it has no kernel");
  return { kernel, stride: spatial(p, "stride", 1), pad: spatial(p, "pad", 0) };
}

const CONVOLUTION = [...WINDOW, "num_output", "bias_term", "dilation", "group", "axis"];

export function convolution(cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "convolution_param", CONVOLUTION);
  const { kernel, stride, pad } = windowOf(p);
  const dilation = spatial(p, "dilation", 1);
  const groups = p.int("group", 1);
  const bias = p.flag("bias_term", true);
  if (![1, -3].includes(p.int("axis", 1))) refuse("its axis is not the channels");
  const isDeconv = step.layer.type === "Deconvolution";
  const isHalf = pad.every((n, i) => n === Math.floor(((dilation[i] as number) * ((kernel[i] as number) - 1)) / 2));
  const border = isDeconv ? pad.some((n) => n !== 0) : !isHalf;
  const attrs = {
    out: p.int("num_output", 0),
    kernel: pair(kernel),
    ...(stride.every((s) => s === 1) ? {} : { stride: pair(stride) }),
    ...(border ? { pad: pair(pad) } : {}),
    ...(dilation.every((d) => d === 1) ? {} : { dilation: pair(dilation) }),
    ...(groups === 1 ? {} : { groups }),
    ...(bias ? { bias } : {}),
  };
  const op = isDeconv ? "deconv" : "conv";
  return seenIn(cx, put(cx, step, { op, inputs: [asMap(cx, step, only(step))], attrs, tensors: weightAndBias(cx, step.layer, bias) }));
}

export function innerProduct(cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "inner_product_param", ["num_output", "bias_term", "axis", "transpose"]);
  if (p.int("axis", 1) !== 1) refuse("its axis is not 1");
  if (p.flag("transpose", false)) refuse("its matrix is transposed");
  const bias = p.flag("bias_term", true);
  const from = only(step);
  const attrs = { out: p.int("num_output", 0), ...(bias ? {} : { bias }) };
  const inputs = [settle(cx, step, { value: from.value, dims: [sizeOf(from.dims)] })];
  return seenIn(cx, put(cx, step, { op: "linear", inputs, attrs, tensors: weightAndBias(cx, step.layer, bias) }));
}

const POOLING = [...WINDOW, "pool", "global_pooling", "round_mode", "ceil_mode"];

export function pooling(cx: CaffeReading, step: Step): SeenValue {
  const p = params(step.layer, "pooling_param", POOLING);
  const kind = p.choice("pool", ["MAX", "AVE", "STOCHASTIC"]);
  if (kind === "STOCHASTIC") refuse("it pools by chance");
  if (step.layer.tops.length > 1) refuse("its mask is read");
  const isMax = kind === "MAX";
  const input = asMap(cx, step, only(step));
  const size = dimsIn(cx.draft, input).slice(1);
  const ceil = p.choice("round_mode", ["CEIL", "FLOOR"]) === "CEIL" && p.flag("ceil_mode", true);
  const whole = (): SeenValue => seenIn(cx, put(cx, step, { op: isMax ? "gmp" : "gap", inputs: [input] }));
  if (p.flag("global_pooling", false)) return whole();
  const { kernel, stride, pad } = windowOf(p);
  // a head of one window over the whole map
  if (pad.every((n) => n === 0) && kernel.every((k, i) => k === size[i])) return whole();
  const steps = size.map((n, i) => (n + 2 * (pad[i] as number) - (kernel[i] as number)) / (stride[i] as number));
  const isRounded = ceil && steps.some((s) => !Number.isInteger(s));
  steps.forEach((s, i) => {
    const start = Math.ceil(s) * (stride[i] as number) - (pad[i] as number);
    // Caffe drops a window that starts beyond the map only where there is padding (PoolingLayer::Reshape)
    if (isRounded && pad.every((n) => n === 0) && start >= (size[i] as number)) refuse("its last window lies beside the map");
  });
  const attrs = {
    kernel: pair(kernel),
    ...(stride.every((s, i) => s === kernel[i]) ? {} : { stride: pair(stride) }),
    ...(pad.every((n) => n === 0) ? {} : { pad: border([...pad, ...pad]) }),
    ...(isRounded ? { ceil: true } : {}),
  };
  return seenIn(cx, put(cx, step, { op: isMax ? "maxpool" : "avgpool", inputs: [input], attrs }));
}

export function batchNorm(cx: CaffeReading, step: Step): SeenValue {
  const { layer, scale } = step;
  const p = params(layer, "batch_norm_param", ["use_global_stats", "moving_average_fraction", "eps"]);
  if (!p.flag("use_global_stats", true)) refuse("it takes the statistics of the batch");
  const eps = p.float("eps", 1e-5);
  const biased = scale !== undefined && scaleParams(scale).flag("bias_term", false);
  const from = only(step);
  const attrs = { ...(eps === 1e-5 ? {} : { eps }), ...(scale ? {} : { affine: false }) };
  const tensors = (): Record<string, Float32Array | undefined> => {
    const [mean, variance, factor] = [0, 1, 2].map((i) => blob(cx, layer, i)?.data);
    const sum = factor?.[0] ?? 1;
    // both are kept as sums over the steps of training
    const mended = (t: Float32Array | undefined): Float32Array | undefined => (sum === 1 ? t : t?.map((v) => (sum === 0 ? 0 : v / sum)));
    const own = { running_mean: mended(mean), running_var: mended(variance) };
    if (!scale) return own;
    const weight = blob(cx, scale, 0)?.data;
    return { ...own, weight, bias: biased ? blob(cx, scale, 1)?.data : weight && new Float32Array(weight.length) };
  };
  const value = settle(cx, step, from);
  return { value: put(cx, step, { op: "bn", inputs: [value], attrs, tensors }), dims: from.dims };
}

export const scaleParams = (layer: CaffeLayer): Params => params(layer, "scale_param", ["axis", "num_axes", "bias_term"]);

/** Whether a `Scale` is one number per channel of its own: then a `BatchNorm` before it takes it in. */
export function isPerChannel(layer: CaffeLayer): boolean {
  const p = scaleParams(layer);
  return layer.bottoms.length === 1 && [1, -3].includes(p.int("axis", 1)) && p.int("num_axes", 1) === 1;
}

export function scale(cx: CaffeReading, step: Step): SeenValue {
  const p = scaleParams(step.layer);
  const bias = p.flag("bias_term", false);
  const [from, gate, ...more] = step.inputs as [SeenValue, SeenValue | undefined];
  if (more.length > 0) refuse(`it has ${step.inputs.length} bottoms`);
  if (!gate) {
    if (!isPerChannel(step.layer)) refuse("it has other than one factor per channel");
    const tensors = weightAndBias(cx, step.layer, bias);
    const attrs = bias ? {} : { bias };
    return { value: put(cx, step, { op: "affine", inputs: [settle(cx, step, from)], attrs, tensors }), dims: from.dims };
  }
  if (bias) refuse("it adds a bias to a product");
  // [N] or [N, C] or all of it, from the batch on; from the channels on it would be one gate for all images
  if (p.int("axis", 1) !== 0 || gate.dims.some((d, i) => d !== from.dims[i])) refuse("its second bottom is no gate per image");
  return { value: gated(cx, step, from, gate, step.layer.name), dims: from.dims };
}

/** from * gate, the gate spread over the axes it lacks. */
export function gated(cx: CaffeReading, step: Step, from: SeenValue, gate: SeenValue, label: string): string {
  const rank = from.dims.length;
  const dims = [...gate.dims, ...Array.from({ length: Math.max(rank - gate.dims.length, 0) }, () => 1)];
  const inputs = [settle(cx, step, from), settle(cx, step, { value: gate.value, dims })];
  return put(cx, step, { op: "mul", inputs, label });
}

/** Axpy(a, x, y) = a * x + y, a per channel: what the SENet authors wrote for their blocks. */
export function axpy(cx: CaffeReading, step: Step): SeenValue {
  const [a, x, y, ...more] = step.inputs as [SeenValue?, SeenValue?, SeenValue?];
  if (!a || !x || !y || more.length > 0) return refuse(`it has ${step.inputs.length} bottoms`);
  if (sizeOf(a.dims) !== x.dims[0] || a.dims[0] !== x.dims[0]) refuse("its first bottom is not one number per channel");
  const product = gated(cx, step, x, a, `${step.layer.name}/se`);
  return { value: put(cx, step, { op: "add", inputs: [product, settle(cx, step, y)] }), dims: x.dims };
}

export function prelu(cx: CaffeReading, step: Step): SeenValue {
  const shared = params(step.layer, "prelu_param", ["channel_shared"]).flag("channel_shared", false);
  const from = only(step);
  const tensors = () => ({ weight: blob(cx, step.layer, 0)?.data });
  const attrs = shared ? { shared } : {};
  return { value: put(cx, step, { op: "prelu", inputs: [settle(cx, step, from)], attrs, tensors }), dims: from.dims };
}
