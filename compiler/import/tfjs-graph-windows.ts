/** Nodes of a GraphDef with weights: convolutions, matrices, norms, and pools. */
import { refuse, sizeOf } from "./reading.ts";
import { numbersOf } from "./stored-values.ts";
import { activation } from "./tfjs-activations.ts";
import { flag, float, isLastAt, pairAt, text, texts, whole, wholes } from "./tfjs-graph-attributes.ts";
import { dataInputs, type GraphReading, type GraphValue, known, onlyReader } from "./tfjs-graph-reading.ts";
import type { GraphNode } from "./tfjs-json.ts";
import { numbers, type Origin, onMap, put, putConstant } from "./tfjs-nodes.ts";
import { convolution, dense, type Named, pool, transposedConvolution, type Window } from "./tfjs-windows.ts";

type NodeReader = (cx: GraphReading, node: GraphNode, origin: Origin, inputs: readonly GraphValue[]) => GraphValue;

function windowOf(node: GraphNode): Window {
  const isLast = isLastAt(node);
  const padding = text(node, "padding", "VALID");
  const window = { stride: pairAt(node, "strides", isLast), dilation: pairAt(node, "dilations", isLast), isLast };
  if (padding === "SAME" || padding === "VALID") return { ...window, padding };
  const explicit = wholes(node, "explicit_paddings");
  if (padding !== "EXPLICIT" || explicit.length !== 8) return refuse(`its padding is ${padding}`);
  // before and after, for every axis
  const [h, w] = isLast ? [2, 4] : [4, 6];
  return { ...window, padding: [explicit[h], explicit[w], explicit[h + 1], explicit[w + 1]] as number[] };
}

const CONVOLUTIONS = ["Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "DepthwiseConv2d", "FusedDepthwiseConv2dNative"];

/**
 * How graphs of TensorFlow 1 dilate: every n-th pixel of every n-th row in an image of its own, a convolution of those, and all put together.
 * [top, left, bottom, right] is what is padded before and not cropped afterwards.
 */
export function spaceToBatch(cx: GraphReading, node: GraphNode, _origin: Origin, inputs: readonly GraphValue[]): GraphValue {
  const conv = onlyReader(cx, node, CONVOLUTIONS);
  const back = conv && onlyReader(cx, conv, ["BatchToSpaceND"]);
  if (!back || dataInputs(conv)[0] !== node.name) return refuse("it is not in front of one convolution and a BatchToSpaceND");
  const numbersIn = (value: GraphValue | undefined): number[] => numbersOf(known(value, "its sizes").data);
  const [block, pads] = [numbersIn(inputs[1]), numbersIn(inputs[2])];
  const [blockBack, crops] = dataInputs(back)
    .slice(1)
    .map((i) => numbersIn(cx.values.get(i))) as [number[], number[]];
  const [top, bottom, left, right] = pads.map((p, i) => p - (crops[i] ?? 0)) as [number, number, number, number];
  const isDilation = block.length === 2 && blockBack.join() === block.join() && crops[0] === 0 && crops[2] === 0;
  if (!isDilation || pads.length !== 4 || bottom < 0 || right < 0) return refuse("it is no dilation of the convolution behind it");
  const isPlain = text(conv, "padding", "VALID") === "VALID" && isLastAt(conv);
  const window = windowOf(conv);
  if (!isPlain || [...window.stride, ...window.dilation].some((n) => n !== 1)) refuse("the convolution behind it is not a plain one");
  cx.taken.add(back.name);
  return { ...mapIn(inputs), cut: { dilation: block as [number, number], pads: [top, left, bottom, right] } };
}

interface Fused {
  readonly bias: Named | undefined;
  /** What comes behind the bias, by its name among the layers; slopes of a PReLU are a tensor. */
  readonly act: string;
  readonly slopes?: Named | undefined;
}

const ACTIVATIONS: ReadonlySet<string> = new Set(["Relu", "Relu6", "Elu", "Sigmoid", "Tanh", "LeakyRelu", "Prelu"]);

/** The bias and the activation of a fused node, or the bias that the next node adds. */
function fusedOf(cx: GraphReading, node: GraphNode, inputs: readonly GraphValue[], path: string, channels: number): Fused {
  const name = `${path}.bias`;
  if (node.op.startsWith("_Fused") || node.op.startsWith("Fused")) {
    const [bias, ...acts] = texts(node, "fused_ops").filter((op) => op !== "Identity");
    const hasBias = bias === "BiasAdd";
    const [act = "linear", ...more] = hasBias || bias === undefined ? acts : [bias, ...acts];
    if (more.length > 0 || (act !== "linear" && !ACTIVATIONS.has(act))) refuse(`it is fused with ${texts(node, "fused_ops").join(", ")}`);
    const alpha = act === "Prelu" ? inputs[hasBias ? 3 : 2] : undefined;
    const slopes =
      act === "Prelu" ? { constant: known(alpha, "its slopes"), name: `${cx.pathOf(alpha?.value ?? "", node)}.weight` } : undefined;
    return { bias: hasBias ? { constant: known(inputs[2], "its biases"), name } : undefined, act, slopes };
  }
  // a matrix on a map is one on rows, and Keras adds the bias when they are a map again
  const reshaped = onlyReader(cx, node, [node.op === "MatMul" ? "Reshape" : "BatchToSpaceND"]);
  const before = reshaped ?? node;
  const later = onlyReader(cx, before, ["BiasAdd", "Add", "AddV2"]);
  const other = later && dataInputs(later).find((i) => i !== before.name);
  const constant = other === undefined ? undefined : cx.values.get(other)?.constant;
  const last = (constant?.shape.length ?? 0) - 1;
  const isBias = constant?.data.length === channels && constant.shape.every((d, i) => d === (i === last ? channels : 1));
  if (!later || !isBias || !(isLastAt(node) || later.op === "BiasAdd")) return { bias: undefined, act: "linear" };
  cx.taken.add(later.name);
  return { bias: { constant, name }, act: "linear" };
}

/** The value behind bias and activation. */
function finished(cx: GraphReading, node: GraphNode, origin: Origin, value: string, rank: number, fused: Fused): GraphValue {
  const { act, slopes } = fused;
  const { list } = cx;
  const behind = { ...origin, path: slopes ? slopes.name.replace(/\.weight$/, "") : `${origin.path}/Activation` };
  let made: string;
  if (slopes) {
    const weight = putConstant(list, slopes.constant, slopes.name);
    made = onMap(list, behind, value, rank === 4 && isLastAt(node), (x) => put(list, behind, "PRelu", [x, weight]));
  } else if (act === "LeakyRelu") made = put(list, behind, "LeakyRelu", [value], { alpha: float(node, "leakyrelu_alpha", 0.2) });
  else made = activation(list, behind, value, act, rank, true);
  return { value: made, rank };
}

export function conv(kind: "conv" | "depthwise"): NodeReader {
  return (cx, node, { source }, inputs) => {
    const constant = known(inputs[1], "its weights");
    if (constant.shape.length !== 4) refuse(`its weights have the shape [${constant.shape}]`);
    const path = cx.pathOf(inputs[1]?.value ?? "", node);
    const origin = { source, path };
    const [, , into, out] = constant.shape as [number, number, number, number];
    const fused = fusedOf(cx, node, inputs, path, kind === "depthwise" ? into * out : out);
    const filter = { kernel: { constant, name: `${path}.weight` }, bias: fused.bias, kind };
    const { value, cut } = mapIn(inputs);
    const window = { ...windowOf(node), ...(cut ? { dilation: cut.dilation, padding: cut.pads } : {}) };
    return finished(cx, node, origin, convolution(cx.list, origin, value, filter, window), 4, fused);
  };
}

const mapIn = (inputs: readonly GraphValue[]): GraphValue => inputs[0] ?? refuse("it reads nothing");
const valueIn = (inputs: readonly GraphValue[]): string => mapIn(inputs).value;

/** Its first input is the shape of its result, which must be the one that the stride gives. */
export function deconv(cx: GraphReading, node: GraphNode, { source }: Origin, inputs: readonly GraphValue[]): GraphValue {
  const { list } = cx;
  const [sizes, , from] = inputs;
  const constant = known(inputs[1], "its weights");
  const window = windowOf(node);
  if (!sizes || !from || constant.shape.length !== 4 || !window.isLast)
    return refuse("it is no convolution of a map that is channels last");
  if (window.dilation.some((d) => d !== 1) || typeof window.padding !== "string") refuse("it has a dilation or paddings of its own");
  const path = cx.pathOf(inputs[1]?.value ?? "", node);
  const origin = { source, path };
  const channels = constant.shape[2] as number;
  const fused = fusedOf(cx, node, inputs, path, channels);
  const made = transposedConvolution(
    list,
    origin,
    from.value,
    { kernel: { constant, name: `${path}.weight` }, bias: fused.bias, kind: "conv" },
    window,
  );
  const map = put(list, origin, "Slice", [sizes.value, ...[[1], [3], [0]].map((p) => numbers(list, p))]);
  const wanted = put(list, origin, "Concat", [numbers(list, [0, channels]), map], { axis: 0 });
  const checked = onMap(list, origin, made, true, (x) => put(list, origin, "Reshape", [x, wanted]));
  return finished(cx, node, origin, checked, 4, fused);
}

export function matrix(cx: GraphReading, node: GraphNode, { source }: Origin, inputs: readonly GraphValue[]): GraphValue {
  const constant = known(inputs[1], "its weights");
  if (constant.shape.length !== 2 || flag(node, "transpose_a")) refuse("it is no product with a constant matrix");
  const across = flag(node, "transpose_b");
  const path = cx.pathOf(inputs[1]?.value ?? "", node);
  const origin = { source, path };
  const kernel = { constant, name: `${path}.weight` };
  const fused = fusedOf(cx, node, inputs, path, constant.shape[across ? 0 : 1] as number);
  return finished(cx, node, origin, dense(cx.list, origin, valueIn(inputs), false, kernel, fused.bias, across), 2, fused);
}

export function batchNorm(cx: GraphReading, node: GraphNode, { source }: Origin, inputs: readonly GraphValue[]): GraphValue {
  const { list } = cx;
  const roles = ["weight", "bias", "running_mean", "running_var"];
  const path = cx.pathOf(inputs.find((i, n) => n > 0 && i.constant)?.value ?? "", node);
  const origin = { source, path };
  const channels = sizeOf(known(inputs[3], "its means").shape);
  const tensors = roles.map((role, i) => {
    const constant = known(inputs[i + 1], "its tensors");
    if (constant.data.length !== channels) refuse(`its tensors have ${channels} and ${constant.data.length} values`);
    return putConstant(list, constant, `${path}.${role}`);
  });
  const epsilon = float(node, "epsilon", 0.001);
  const made = onMap(list, origin, valueIn(inputs), isLastAt(node), (x) =>
    put(list, origin, "BatchNormalization", [x, ...tensors], { epsilon }),
  );
  return { value: made, rank: 4 };
}

export function localNorm(cx: GraphReading, node: GraphNode, origin: Origin, inputs: readonly GraphValue[]): GraphValue {
  const size = 2 * whole(node, "depth_radius", 5) + 1;
  // ours, as ONNX's, divides alpha by the size
  const attrs = { size, alpha: float(node, "alpha", 1) * size, beta: float(node, "beta", 0.5), bias: float(node, "bias", 1) };
  return { value: onMap(cx.list, origin, valueIn(inputs), true, (x) => put(cx.list, origin, "LRN", [x], attrs)), rank: 4 };
}

export function pooling(kind: "max" | "average"): NodeReader {
  return (cx, node, origin, inputs) => {
    const kernel = pairAt(node, "ksize", isLastAt(node));
    const window = { ...windowOf(node), dilation: [1, 1] as const };
    return { value: pool(cx.list, origin, valueIn(inputs), kind, kernel, window), rank: 4 };
  };
}
