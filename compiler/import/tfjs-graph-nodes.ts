/** Nodes of a GraphDef, one function for each operation; attributes are those of `@tensorflow/tfjs-converter`'s op lists. */

import { refuse } from "./reading.ts";
import { activation, softmax } from "./tfjs-activations.ts";
import { float, isLastAt } from "./tfjs-graph-attributes.ts";
import {
  concat,
  depthToSpace,
  expandDims,
  pack,
  pad,
  reduce,
  reshape,
  resize,
  shape,
  slice,
  split,
  squeeze,
  stridedSlice,
  transpose,
} from "./tfjs-graph-moves.ts";
import type { GraphReading, GraphValue } from "./tfjs-graph-reading.ts";
import { batchNorm, conv, deconv, localNorm, matrix, pooling, spaceToBatch } from "./tfjs-graph-windows.ts";
import type { GraphNode } from "./tfjs-json.ts";
import { number, type Origin, onMap, put, putConstant } from "./tfjs-nodes.ts";

export type NodeReader = (cx: GraphReading, node: GraphNode, origin: Origin, inputs: readonly GraphValue[]) => GraphValue;

const first = (inputs: readonly GraphValue[]): GraphValue => inputs[0] ?? refuse("it reads nothing");

const same: NodeReader = (_cx, _node, _origin, inputs) => first(inputs);

/** An activation by its name among the layers. */
const active =
  (name: string): NodeReader =>
  (cx, _node, origin, inputs) => {
    const { value, rank } = first(inputs);
    return { value: activation(cx.list, origin, value, name, rank, true), rank };
  };

/** One node of ours on one value; `more` are numbers that it reads too. */
const plain =
  (op: string, attrs: (node: GraphNode) => Readonly<Record<string, number>> = () => ({}), ...more: readonly number[]): NodeReader =>
  (cx, node, origin, inputs) => {
    const { value, rank } = first(inputs);
    return { value: put(cx.list, origin, op, [value, ...more.map((n) => number(cx.list, n))], attrs(node)), rank };
  };

function prelu(cx: GraphReading, node: GraphNode, origin: Origin, inputs: readonly GraphValue[]): GraphValue {
  const { value, rank } = first(inputs);
  const alpha = inputs[1]?.constant ?? refuse("its slopes are computed while the net runs");
  const slopes = putConstant(cx.list, alpha, `${cx.pathOf(inputs[1]?.value ?? "", node)}.weight`);
  return { value: onMap(cx.list, origin, value, rank === 4, (x) => put(cx.list, origin, "PRelu", [x, slopes])), rank };
}

/** Sums and products of two values, or of one with constants, which are called after their layer. */
function arithmetic(op: string): NodeReader {
  return (cx, node, origin, inputs) => {
    const [a, b, ...more] = inputs;
    if (!a || !b || more.length > 0) return refuse(`it reads ${inputs.length} values`);
    const role = op === "Mul" || op === "Div" ? "weight" : "bias";
    const path = origin.path.replaceAll("/", ".");
    // channels first, a bias of [C] is one of [C, 1, 1]
    const isFirst = node.op === "BiasAdd" && !isLastAt(node);
    const named = (v: GraphValue): string => {
      if (!v.constant || v.constant.data.length === 1) return v.value;
      const { shape, data } = v.constant;
      return putConstant(cx.list, { shape: isFirst ? [...shape, 1, 1] : shape, data }, `${path}.${role}`);
    };
    const rank = a.rank === undefined || b.rank === undefined ? undefined : Math.max(a.rank, b.rank);
    if (a.value === b.value && op === "Mul") return { value: put(cx.list, origin, "Pow", [a.value, number(cx.list, 2)]), rank };
    return { value: put(cx.list, origin, op, [named(a), named(b)]), rank };
  };
}

function several(cx: GraphReading, _node: GraphNode, origin: Origin, inputs: readonly GraphValue[]): GraphValue {
  const { value, rank } = first(inputs);
  return { value: inputs.slice(1).reduce((sum, { value: next }) => put(cx.list, origin, "Add", [sum, next]), value), rank };
}

function clip(cx: GraphReading, _node: GraphNode, origin: Origin, inputs: readonly GraphValue[]): GraphValue {
  return {
    value: put(
      cx.list,
      origin,
      "Clip",
      inputs.map((i) => i.value),
    ),
    rank: inputs[0]?.rank,
  };
}

const READERS: Readonly<Record<string, NodeReader>> = {
  Conv2D: conv("conv"),
  _FusedConv2D: conv("conv"),
  DepthwiseConv2dNative: conv("depthwise"),
  DepthwiseConv2d: conv("depthwise"),
  FusedDepthwiseConv2dNative: conv("depthwise"),
  Conv2DBackpropInput: deconv,
  MatMul: matrix,
  _FusedMatMul: matrix,
  SpaceToBatchND: spaceToBatch,
  // what has a dilation in front is taken over by that
  BatchToSpaceND: () => refuse("it is not behind a convolution and a SpaceToBatchND"),
  BiasAdd: arithmetic("Add"),
  FusedBatchNorm: batchNorm,
  FusedBatchNormV2: batchNorm,
  FusedBatchNormV3: batchNorm,
  LRN: localNorm,
  MaxPool: pooling("max"),
  AvgPool: pooling("average"),
  Mean: reduce("ReduceMean"),
  Max: reduce("ReduceMax"),
  Prod: reduce("ReduceProd"),
  Pad: pad,
  PadV2: pad,
  MirrorPad: pad,
  Add: arithmetic("Add"),
  AddV2: arithmetic("Add"),
  Sub: arithmetic("Sub"),
  Mul: arithmetic("Mul"),
  RealDiv: arithmetic("Div"),
  Div: arithmetic("Div"),
  AddN: several,
  Maximum: arithmetic("Max"),
  Minimum: arithmetic("Min"),
  ClipByValue: clip,
  Relu: active("relu"),
  Relu6: active("relu6"),
  Elu: active("elu"),
  Selu: active("selu"),
  Sigmoid: active("sigmoid"),
  Tanh: active("tanh"),
  Softplus: active("softplus"),
  LeakyRelu: plain("LeakyRelu", (node) => ({ alpha: float(node, "alpha", 0.2) })),
  Prelu: prelu,
  Softmax: (cx, _node, origin, inputs) => {
    const { value, rank } = first(inputs);
    return { value: softmax(cx.list, origin, value, -1, rank, true), rank };
  },
  Abs: plain("Abs"),
  Neg: plain("Neg"),
  Sqrt: plain("Sqrt"),
  Reciprocal: plain("Reciprocal"),
  Inv: plain("Reciprocal"),
  Erf: plain("Erf"),
  Square: plain("Pow", undefined, 2),
  Rsqrt: plain("Pow", undefined, -0.5),
  Pow: (cx, _node, origin, inputs) => ({
    value: put(
      cx.list,
      origin,
      "Pow",
      inputs.map((i) => i.value),
    ),
    rank: inputs[0]?.rank,
  }),
  ConcatV2: concat,
  Reshape: reshape,
  Squeeze: squeeze,
  ExpandDims: expandDims,
  Shape: shape,
  StridedSlice: stridedSlice,
  Slice: slice,
  Pack: pack,
  Split: split,
  SplitV: split,
  DepthToSpace: depthToSpace,
  ResizeNearestNeighbor: resize,
  ResizeBilinear: resize,
  Transpose: transpose,
  Cast: same,
  Identity: same,
  StopGradient: same,
  CheckNumerics: same,
  Snapshot: same,
};

export const isKnownNode = (op: string): boolean => Object.hasOwn(READERS, op);

/** Adds the nodes that one node stands for; refuses what has no equivalent. */
export function readGraphNode(cx: GraphReading, node: GraphNode, origin: Origin, inputs: readonly GraphValue[]): GraphValue {
  return (READERS[node.op] as NodeReader)(cx, node, origin, inputs);
}
