/** ONNX layers with windows and weights: convolutions, matrices, pools. */
import type { TensorValues } from "../ir/values.ts";
import type { OnnxNode } from "./onnx-file.ts";
import {
  anyInput,
  changed,
  constant,
  draftDims,
  float,
  give,
  input,
  int,
  ints,
  type Layer,
  labelOf,
  layer,
  onlyReader,
  type Reading,
  refuse,
  type Seen,
  settle,
  sizeOf,
  type Transposed,
  tensor,
  text,
} from "./onnx-reading.ts";
import { border, pair, sameDims } from "./reading.ts";
import { permutedValues } from "./stored-values.ts";

interface Window {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly pad: unknown;
  readonly pads: readonly number[] | undefined;
}

function windowOf(node: OnnxNode, kernel: readonly number[], size: readonly number[], extra: readonly number[] = [0, 0, 0, 0]): Window {
  if (kernel.length !== 2 || kernel.some((k) => !(k >= 1))) refuse(`its kernel has the sizes [${kernel}]`);
  const stride = ints(node, "strides") ?? [1, 1];
  const dilation = ints(node, "dilations") ?? [1, 1];
  if (stride.length !== 2 || dilation.length !== 2) refuse("it has not two axes");
  const auto = text(node, "auto_pad", "NOTSET");
  if (auto === "NOTSET" || auto === "VALID") {
    const given = auto === "VALID" ? [0, 0, 0, 0] : (ints(node, "pads") ?? [0, 0, 0, 0]);
    const pads = given.map((p, i) => p + (extra[i] ?? 0));
    if (pads.length !== 4 || pads.some((p) => p < 0)) refuse(`its padding is [${pads}]`);
    return { kernel, stride, dilation, pad: border(pads), pads };
  }
  // TensorFlow's rule; the odd one goes after (UPPER) or before (LOWER)
  const total = [0, 1].map((i) => {
    const [n, k, s, d] = [size[i], kernel[i], stride[i], dilation[i]] as [number, number, number, number];
    return Math.max((Math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0);
  });
  const small = total.map((t) => Math.floor(t / 2));
  const large = total.map((t, i) => t - (small[i] as number));
  const pads = auto === "SAME_LOWER" ? [...large, ...small] : [...small, ...large];
  return { kernel, stride, dilation, pad: border(pads), pads };
}

/** Whether padding is what `conv` takes by itself. */
const isHalf = (w: Window): boolean =>
  w.pads?.every((p, i) => p === Math.floor(((w.dilation[i % 2] as number) * ((w.kernel[i % 2] as number) - 1)) / 2)) === true;

/** A constant of one value per channel that the next node adds: the bias of a layer that has none. */
function laterBias(cx: Reading, node: OnnxNode, channels: number, rank: number): { node: OnnxNode; index: number } | undefined {
  const next = onlyReader(cx, node, "Add");
  if (!next || next.inputs[0] === next.inputs[1]) return undefined;
  const index = next.inputs[0] === node.outputs[0] ? 1 : 0;
  const c = constant(cx, next, index);
  if (!c || c.data.length !== channels) return undefined;
  const axis = c.shape.length - rank + 1;
  const fits = c.shape.every((d, i) => (i === axis ? d === channels : d === 1));
  return fits ? { node: next, index } : undefined;
}

/** Adds a layer; a bias that a following Add holds becomes its own. */
export function withBias(cx: Reading, node: OnnxNode, own: Layer, channels: number, rank: number, index: number): undefined {
  const bias = node.inputs[index] ? tensor(cx, node, index, channels) : undefined;
  const later = bias ? undefined : laterBias(cx, node, channels, rank);
  const data = bias ?? (later && tensor(cx, later.node, later.index, channels));
  const attrs = {
    ...own.attrs,
    ...(own.op === "linear" || own.op === "affine" ? (data ? {} : { bias: false }) : data ? { bias: true } : {}),
  };
  const value = layer(cx, node, { ...own, attrs, tensors: { ...own.tensors, ...(data ? { bias: data } : {}) } });
  give(cx, node, value);
  if (!later) return;
  cx.done.add(later.node);
  give(cx, later.node, value);
}

export function conv(cx: Reading, node: OnnxNode): undefined {
  const weight = constant(cx, node, 1) ?? refuse("its weights are computed while the net runs");
  const from = input(cx, node, 0);
  if (alongChannels(cx, node, from, weight.shape)) return;
  if (weight.shape.length !== 4) refuse(`it is a convolution of ${weight.shape.length - 2} axes`);
  const [out, , ...kernel] = weight.shape as [number, number, number, number];
  // a window that is padded by the size of the map is padded by that of the padded map
  const padded = text(node, "auto_pad", "NOTSET").startsWith("SAME") ? undefined : from.padded;
  const value = padded ? padded.value : settle(cx, from, labelOf(node));
  const size = draftDims(cx, value);
  const w = windowOf(node, kernel, size.slice(1), padded?.pads);
  const groups = int(node, "group", 1);
  const attrs = {
    out,
    kernel: pair(w.kernel),
    ...(w.stride.every((s) => s === 1) ? {} : { stride: pair(w.stride) }),
    ...(isHalf(w) ? {} : { pad: w.pad }),
    ...(w.dilation.every((d) => d === 1) ? {} : { dilation: pair(w.dilation) }),
    ...(groups === 1 ? {} : { groups }),
  };
  withBias(cx, node, { op: "conv", inputs: [value], attrs, tensors: { weight: tensor(cx, node, 1, weight.data.length) } }, out, 4, 2);
}

/** ECA: a convolution along the channels of [N, C, 1, 1], whatever the exporter made of its axes. */
function alongChannels(cx: Reading, node: OnnxNode, from: Seen, shape: readonly number[]): boolean {
  const have = draftDims(cx, from.value);
  const kernel = Math.max(...shape);
  const channels = have[0] as number;
  const isVector = have.length === 1 || (have.length === 3 && have[1] === 1 && have[2] === 1);
  const moved = from.dims[0] === 1 && from.dims.length > 1 && from.dims.includes(channels);
  if (!isVector || !moved || shape[0] !== 1 || shape[1] !== 1 || sizeOf(shape) !== kernel || node.inputs[2]) return false;
  const pads = ints(node, "pads") ?? [];
  if (kernel % 2 === 0 || Math.max(...pads, 0) !== kernel >> 1 || pads.reduce((a, b) => a + b, 0) !== kernel - 1) return false;
  const source = have.length === 3 ? from.value : settle(cx, { value: from.value, dims: [channels, 1, 1] }, labelOf(node));
  const value = layer(cx, node, { op: "chanconv", inputs: [source], attrs: { kernel }, tensors: { weight: tensor(cx, node, 1, kernel) } });
  give(cx, node, value, from.dims);
  return true;
}

export function deconv(cx: Reading, node: OnnxNode): undefined {
  const weight = constant(cx, node, 1) ?? refuse("its weights are computed while the net runs");
  if (weight.shape.length !== 4 || node.attrs.has("output_shape")) refuse("only a plain two-dimensional ConvTranspose is read");
  const groups = int(node, "group", 1);
  const out = (weight.shape[1] as number) * groups;
  const value = settle(cx, input(cx, node, 0), labelOf(node));
  const w = windowOf(node, weight.shape.slice(2), draftDims(cx, value).slice(1));
  const attrs = {
    out,
    kernel: pair(w.kernel),
    stride: pair(w.stride),
    pad: w.pad,
    out_pad: pair(ints(node, "output_padding") ?? [0, 0]),
    dilation: pair(w.dilation),
    groups,
  };
  withBias(cx, node, { op: "deconv", inputs: [value], attrs, tensors: { weight: tensor(cx, node, 1, weight.data.length) } }, out, 4, 2);
}

export function matrix(cx: Reading, node: OnnxNode): undefined {
  const weight = constant(cx, node, 1);
  if (weight?.shape.length !== 2) return refuse("its second factor is no constant matrix");
  const isGemm = node.op === "Gemm";
  if (isGemm && (int(node, "transA", 0) !== 0 || float(node, "alpha", 1) !== 1 || float(node, "beta", 1) !== 1))
    refuse("alpha, beta or transA is used");
  const across = isGemm && int(node, "transB", 0) === 1;
  const [rows, columns] = weight.shape as [number, number];
  const from = anyInput(cx, node, 0);
  const given = tensor(cx, node, 1, rows * columns);
  const data = across
    ? given.data
    : changed(cx, given.data, `turned ${columns}`, () => permutedValues(given.data, [rows, columns], [1, 0]));
  const out = across ? rows : columns;
  if (!isGemm && from.perm?.join() === "0,2,3,1") return pointwise(cx, node, from, { data, name: given.name }, out);
  const { row } = from;
  const seen = row ? { value: from.value, dims: [sizeOf(row.dims)], by: from.by } : input(cx, node, 0);
  const own: Layer = {
    op: "linear",
    inputs: [settle(cx, seen, labelOf(node))],
    attrs: { out },
    tensors: { weight: { data: row ? changed(cx, data, JSON.stringify(row), () => inOurOrder(data, row)) : data, name: given.name } },
  };
  withBias(cx, node, own, out, 2, 2);
}

/** Columns of a matrix that reads a transposed map in a row, in the order C, H, W. */
function inOurOrder(data: TensorValues, { dims, perm }: Transposed): TensorValues {
  const axes = perm.slice(1).map((p) => p - 1);
  const laid = axes.map((a) => dims[a] as number);
  return permutedValues(data, [data.length / sizeOf(dims), ...laid], [0, ...[0, 1, 2].map((a) => axes.indexOf(a) + 1)]);
}

/** A matrix on the channels of a map that was laid out channels last: a 1x1 convolution. */
function pointwise(cx: Reading, node: OnnxNode, from: Seen, weight: { data: TensorValues; name: string }, out: number): undefined {
  const { value, dims, perm } = from;
  const inputs = [settle(cx, { value, dims }, labelOf(node))];
  withBiasLast(cx, node, { op: "conv", inputs, attrs: { out, kernel: 1 }, tensors: { weight } }, out, { perm });
}

/** `withBias` on a map that stays channels last: there the channels are the last axis, as in [N, F]. */
export function withBiasLast(cx: Reading, node: OnnxNode, own: Layer, channels: number, stays: Partial<Seen>): undefined {
  const next = onlyReader(cx, node, "Add");
  withBias(cx, node, own, channels, 2, 2);
  for (const name of [node.outputs[0], next?.outputs[0]]) {
    const seen = cx.seen.get(name ?? "");
    if (seen) cx.seen.set(name ?? "", { ...seen, ...stays });
  }
}

export function pool(cx: Reading, node: OnnxNode): undefined {
  const isMax = node.op === "MaxPool";
  if (node.outputs[1]) refuse("its indices are read");
  const value = settle(cx, input(cx, node, 0), labelOf(node));
  const w = windowOf(node, ints(node, "kernel_shape") ?? [], draftDims(cx, value).slice(1));
  const ceil = int(node, "ceil_mode", 0) === 1;
  const flat = w.pads?.every((p) => p === 0) === true;
  // TensorFlow has no global pools; in ONNX a window of the size of the map is meant as it is written
  if (node.source && flat && sameDims(w.kernel, draftDims(cx, value).slice(1)) && w.dilation.every((d) => d === 1))
    return give(cx, node, layer(cx, node, { op: isMax ? "gmp" : "gap", inputs: [value] }));
  if (!isMax && w.dilation.some((d) => d !== 1)) refuse("an average pool with dilation");
  const attrs = {
    kernel: pair(w.kernel),
    ...(w.stride.every((s, i) => s === w.kernel[i]) ? {} : { stride: pair(w.stride) }),
    ...(flat ? {} : { pad: w.pad }),
    ...(w.dilation.every((d) => d === 1) ? {} : { dilation: pair(w.dilation) }),
    ...(ceil ? { ceil } : {}),
    ...(isMax || int(node, "count_include_pad", 0) === 1 || (flat && !ceil) ? {} : { count_pad: false }),
  };
  give(cx, node, layer(cx, node, { op: isMax ? "maxpool" : "avgpool", inputs: [value], attrs }));
}
