/** ONNX norms: batch, instance, group, layer and local response. */
import type { TensorValues } from "../ir/values.ts";
import type { OnnxNode } from "./onnx-file.ts";
import {
  anyInput,
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
  settle,
  sizeOf,
  tensor,
} from "./onnx-reading.ts";
import { arrayOf } from "./stored-values.ts";

export function norm(cx: Reading, node: OnnxNode): undefined {
  if (node.op === "LayerNormalization") return layerNorm(cx, node);
  const from = input(cx, node, 0);
  const channels = from.dims[0] as number;
  const own = { weight: () => tensor(cx, node, 1, channels), bias: () => tensor(cx, node, 2, channels) };
  const scale = (): Record<string, { data: TensorValues; name: string }> => ({ weight: own.weight(), bias: own.bias() });
  const value = (): string => settle(cx, from, labelOf(node));
  const eps = float(node, "epsilon", 1e-5);
  const attrs = eps === 1e-5 ? {} : { eps };
  switch (node.op) {
    case "BatchNormalization": {
      if (int(node, "training_mode", 0) === 1) refuse("it is in training mode");
      const tensors = { ...scale(), running_mean: tensor(cx, node, 3, channels), running_var: tensor(cx, node, 4, channels) };
      return give(cx, node, layer(cx, node, { op: "bn", inputs: [value()], attrs, tensors }));
    }
    case "InstanceNormalization":
      if (from.dims.length === 2) return groupNorm(cx, node, attrs);
      return give(cx, node, layer(cx, node, { op: "instnorm", inputs: [value()], attrs: { ...attrs, affine: true }, tensors: scale() }));
    case "GroupNormalization": {
      const groups = int(node, "num_groups", 1);
      return give(cx, node, layer(cx, node, { op: "gn", inputs: [value()], attrs: { groups, ...attrs }, tensors: scale() }));
    }
    default: {
      const [size, alpha, beta, k] = [int(node, "size", 1), float(node, "alpha", 1e-4), float(node, "beta", 0.75), float(node, "bias", 1)];
      return give(cx, node, layer(cx, node, { op: "lrn", inputs: [value()], attrs: { size, alpha, beta, k } }));
    }
  }
}

/** Over the features of [N, F], or over the channels of a map that was laid out channels last. */
function layerNorm(cx: Reading, node: OnnxNode): undefined {
  const from = anyInput(cx, node, 0);
  const rank = from.dims.length + 1;
  const axis = (int(node, "axis", -1) + rank) % rank;
  const have = draftDims(cx, from.value);
  const isOne = isPixel(cx, from);
  const isOver = isOne ? axis === 3 : axis === rank - 1 && (from.perm?.[axis] ?? axis) === 1;
  if (from.row || !isOver) refuse("it is not over the features of [N, F] or the channels");
  const channels = (isOne ? have[0] : from.dims[0]) as number;
  const eps = float(node, "epsilon", 1e-5);
  const bias = node.inputs[2] ? tensor(cx, node, 2, channels).data : new Float32Array(channels);
  const tensors = { weight: tensor(cx, node, 1, channels), bias: { data: bias, name: node.inputs[2] || undefined } };
  const { value, dims } = from;
  const inputs = [settle(cx, { value, dims: isOne ? have : dims }, labelOf(node))];
  giveLike(cx, node, layer(cx, node, { op: "ln", inputs, attrs: eps === 1e-5 ? {} : { eps }, tensors }), from);
}

/** Exporters write a group norm as an instance norm of runs of channels, and scale the channels afterwards. */
function groupNorm(cx: Reading, node: OnnxNode, attrs: Readonly<Record<string, unknown>>): undefined {
  const from = input(cx, node, 0);
  const [groups, each] = from.dims as [number, number];
  const have = draftDims(cx, from.value);
  const [scale, shift] = [arrayOf(tensor(cx, node, 1, groups).data), arrayOf(tensor(cx, node, 2, groups).data)];
  const fits = have.length === 3 && (have[0] as number) % groups === 0 && sizeOf(have) === groups * each;
  if (!fits || scale.some((x) => x !== 1) || shift.some((x) => x !== 0)) refuse("it is over something else than runs of channels");
  give(cx, node, layer(cx, node, { op: "gn", inputs: [from.value], attrs: { groups, ...attrs, affine: false } }), from.dims);
}
