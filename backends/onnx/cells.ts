/** One cell per op: the ONNX operations that compute it, at the opset asked for. A missing op does not compile. */
import type { Node } from "../../compiler/ir/graph.ts";
import type { TensorType } from "../../compiler/ir/type.ts";
import type { NodeOf, OpName } from "../../compiler/ops/index.ts";
import { poolTo } from "../../compiler/ops/pool-to.ts";
import { type Call, call, filled, float, int, ints, type Operand, scalar, text, whole } from "./expr.ts";
import { averagePool, convolution, localResponse, maxPool, padding, resize, transposedConvolution } from "./windows.ts";

/** What a cell may ask about the file its node goes to. */
export interface CellContext {
  readonly opset: number;
  /** Name of a tensor of the node; undefined when it has none of that name. */
  readonly tensor: (own: string) => string | undefined;
}

type Cell<N extends OpName> = (node: NodeOf<N>, args: readonly string[], context: CellContext) => Call;

const typeOf = (node: Node): TensorType => (node.inputs[0] as { type: TensorType }).type;
const channelsOf = (node: Node): number => typeOf(node).shape[1] as number;
const isMap = (node: Node): boolean => typeOf(node).shape.length === 4;
/** The result's shape for a Reshape: 0 keeps the batch, open or not. */
const outShape = (node: Node): Operand => whole(0, ...(node.output.type.shape.slice(1) as number[]));
const AXIS = { c: 1, h: 2, w: 3 } as const;
const fold = (op: string, args: readonly Operand[]): Call => {
  const [first, ...rest] = args as [Operand, ...Operand[]];
  if (rest.length === 0) return call("Identity", [first]);
  return rest.reduce<Operand>((a, b) => call(op, [a, b]), first) as Call;
};

/** A tensor [C] against the channels of a map or vector: [C, 1, 1] or as it is. The tensor itself keeps its shape in the file. */
const perChannel = (node: Node, tensor: Operand): Operand => (isMap(node) ? call("Unsqueeze", [tensor, whole(1, 2)]) : tensor);

/** Scale and shift per channel, where the layer has them. */
function scaled(node: Node, y: Operand, c: CellContext): Call {
  const [weight, bias] = [c.tensor("weight"), c.tensor("bias")];
  const product = weight === undefined ? y : call("Mul", [y, perChannel(node, weight)]);
  const sum = bias === undefined ? product : call("Add", [product, perChannel(node, bias)]);
  return typeof sum === "object" && sum.kind === "call" ? sum : call("Identity", [sum]);
}

/** Axes of reductions became an input: ReduceMean and ReduceMax at 18. */
function reduce(op: "ReduceMean" | "ReduceMax", x: Operand, axes: readonly number[], { opset }: CellContext): Call {
  return opset >= 18 ? call(op, [x, whole(...axes)], int("keepdims", 1)) : call(op, [x], ints("axes", axes), int("keepdims", 1));
}

const axesNamed = (over: "hw" | "h" | "w"): number[] => (over === "hw" ? [2, 3] : over === "h" ? [2] : [3]);

/**
 * Written out, centred before it is squared: LayerNormalization (17) normalises trailing axes only, and its runtimes take the mean of squares
 * minus the square of the mean, which cancels far from 0.
 */
function layerNorm(node: NodeOf<"ln">, x: string, c: CellContext): Call {
  const centred = call("Sub", [x, reduce("ReduceMean", x, [1], c)]);
  const variance = reduce("ReduceMean", call("Mul", [centred, centred]), [1], c);
  return scaled(node, call("Div", [centred, call("Sqrt", [call("Add", [variance, scalar(node.attrs.eps)])])]), c);
}

/**
 * By InstanceNormalization of runs of channels, as exporters write it at every opset: GroupNormalization came at 18 with a scale per group,
 * got one per channel at 21, and its definition subtracts the square of the mean.
 */
function groupNorm(node: NodeOf<"gn">, x: string, c: CellContext): Call {
  const { groups, eps } = node.attrs;
  const runs = call("Reshape", [x, whole(0, groups, -1)]);
  const normal = call("InstanceNormalization", [runs, filled(groups, 1), filled(groups, 0)], float("epsilon", eps));
  return scaled(node, call("Reshape", [normal, outShape(node)]), c);
}

/** Along the channels of one pixel; wrapping is a gather of the channels with the ends repeated. */
function channelConvolution(node: NodeOf<"chanconv">, x: string, { tensor }: CellContext): Call {
  const channels = channelsOf(node);
  const { kernel } = node.attrs;
  const half = (kernel - 1) / 2;
  const circular = node.attrs.pad_mode === "circular";
  const wrapped = (i: number): number => (((i - half) % channels) + channels) % channels;
  const length = circular ? channels + 2 * half : channels;
  const from = circular ? call("Gather", [x, whole(...Array.from({ length }, (_, i) => wrapped(i)))], int("axis", 1)) : x;
  const bias = tensor("bias");
  const convolved = call(
    "Conv",
    [call("Reshape", [from, whole(0, 1, length)]), tensor("weight") as string, ...(bias === undefined ? [] : [bias])],
    ints("kernel_shape", [kernel]),
    ints("pads", circular ? [0, 0] : [half, half]),
  );
  return call("Reshape", [convolved, outShape(node)]);
}

function softmax(node: NodeOf<"softmax">, x: string): Call {
  const { over, parts } = node.attrs;
  if (over === "c" && parts === 1) return call("Softmax", [x], int("axis", 1));
  const [shape, axis] = over === "hw" ? [whole(0, 0, -1), 2] : [whole(0, parts, -1), 1];
  return call("Reshape", [call("Softmax", [call("Reshape", [x, shape])], int("axis", axis)), outShape(node)]);
}

/** The tanh form is written out at every opset: ONNX Runtime's Gelu(approximate="tanh") is about 1e-5 off. */
function gelu(node: NodeOf<"gelu">, x: string, { opset }: CellContext): Call {
  const half = call("Mul", [x, scalar(0.5)]);
  if (node.attrs.approx === "tanh") {
    const cube = call("Mul", [x, call("Mul", [x, x])]);
    const inner = call("Mul", [call("Add", [call("Mul", [cube, scalar(0.044715)]), x]), scalar(Math.sqrt(2 / Math.PI))]);
    return call("Mul", [half, call("Add", [call("Tanh", [inner]), scalar(1)])]);
  }
  if (opset >= 20) return call("Gelu", [x]);
  return call("Mul", [half, call("Add", [call("Erf", [call("Mul", [x, scalar(Math.SQRT1_2)])]), scalar(1)])]);
}

/** Slope 1/6 has to be said: the default is 0.2. */
const hardSigmoid = (x: string, alpha: number): Call => call("HardSigmoid", [x], float("alpha", alpha), float("beta", 0.5));

/** Blocks of pixels to channels: SpaceToDepth puts a block's pixels outermost, the layer puts them innermost. */
function unshuffle(node: NodeOf<"pixelunshuffle">, x: string): Call {
  const channels = channelsOf(node);
  const area = node.attrs.factor ** 2;
  const order = Array.from({ length: channels * area }, (_, i) => (i % area) * channels + Math.floor(i / area));
  return call("Gather", [call("SpaceToDepth", [x], int("blocksize", node.attrs.factor)), whole(...order)], int("axis", 1));
}

/** A gather, where exporters transpose: channel j * groups + i comes from i * (C / groups) + j. */
function channelShuffle(node: NodeOf<"chanshuffle">, x: string): Call {
  const channels = channelsOf(node);
  const { groups } = node.attrs;
  const order = Array.from({ length: channels }, (_, to) => (to % groups) * (channels / groups) + Math.floor(to / groups));
  return call("Gather", [x, whole(...order)], int("axis", 1));
}

function batchNorm(node: NodeOf<"bn">, x: string, { tensor, opset }: CellContext): Call {
  const channels = channelsOf(node);
  return call(
    "BatchNormalization",
    [
      x,
      tensor("weight") ?? filled(channels, 1),
      tensor("bias") ?? filled(channels, 0),
      tensor("running_mean") as string,
      tensor("running_var") as string,
    ],
    float("epsilon", node.attrs.eps),
    // ONNX weighs the old statistics, PyTorch the new ones
    float("momentum", 1 - node.attrs.momentum),
    ...(opset >= 14 ? [int("training_mode", 0)] : []),
  );
}

const withBias = (x: string, { tensor }: CellContext): string[] => {
  const bias = tensor("bias");
  return [x, tensor("weight") as string, ...(bias === undefined ? [] : [bias])];
};
const clipped = (x: Operand, min: number, max: number): Call => call("Clip", [x, scalar(min), scalar(max)]);

export const cells: { readonly [N in OpName]: Cell<N> } = {
  conv: (n, [x], c) => convolution(n, withBias(x as string, c)),
  deconv: (n, [x], c) => transposedConvolution(n, [x as string, c.tensor("weight") as string], c.tensor("bias")),
  linear: (_, [x], c) => call("Gemm", withBias(x as string, c), int("transB", 1)),
  chanconv: (n, [x], c) => channelConvolution(n, x as string, c),
  bn: (n, [x], c) => batchNorm(n, x as string, c),
  ln: (n, [x], c) => layerNorm(n, x as string, c),
  gn: (n, [x], c) => groupNorm(n, x as string, c),
  instnorm: (n, [x], c) => {
    const channels = channelsOf(n);
    const [weight, bias] = [c.tensor("weight") ?? filled(channels, 1), c.tensor("bias") ?? filled(channels, 0)];
    return call("InstanceNormalization", [x as string, weight, bias], float("epsilon", n.attrs.eps));
  },
  lrn: (n, [x]) => localResponse(n, x as string),
  affine: (n, [x], c) => scaled(n, x as string, c),
  relu: (_, [x]) => call("Relu", [x as string]),
  relu6: (_, [x]) => clipped(x as string, 0, 6),
  leaky_relu: (n, [x]) => call("LeakyRelu", [x as string], float("alpha", n.attrs.slope)),
  elu: (n, [x]) => call("Elu", [x as string], float("alpha", n.attrs.alpha)),
  silu: (_, [x]) => call("Mul", [x as string, call("Sigmoid", [x as string])]),
  mish: (_, [x], { opset }) =>
    opset >= 18 ? call("Mish", [x as string]) : call("Mul", [x as string, call("Tanh", [call("Softplus", [x as string])])]),
  softplus: (_, [x]) => call("Softplus", [x as string]),
  tanh: (_, [x]) => call("Tanh", [x as string]),
  sigmoid: (_, [x]) => call("Sigmoid", [x as string]),
  prelu: (n, [x], c) => {
    const slope = c.tensor("weight") as string;
    return call("PRelu", [x as string, n.attrs.shared ? slope : perChannel(n, slope)]);
  },
  gelu: (n, [x], c) => gelu(n, x as string, c),
  hsigmoid6: (_, [x]) => hardSigmoid(x as string, 1 / 6),
  hsigmoid5: (_, [x]) => hardSigmoid(x as string, 0.2),
  hswish: (_, [x], { opset }) =>
    opset >= 14 ? call("HardSwish", [x as string]) : call("Mul", [x as string, hardSigmoid(x as string, 1 / 6)]),
  softmax: (n, [x]) => softmax(n, x as string),
  square: (_, [x]) => call("Mul", [x as string, x as string]),
  sqrt: (_, [x]) => call("Sqrt", [x as string]),
  rsqrt: (_, [x]) => call("Reciprocal", [call("Sqrt", [x as string])]),
  recip: (_, [x]) => call("Reciprocal", [x as string]),
  abs: (_, [x]) => call("Abs", [x as string]),
  times: (n, [x]) => call("Mul", [x as string, scalar(n.attrs.k)]),
  plus: (n, [x]) => call("Add", [x as string, scalar(n.attrs.k)]),
  clip: (n, [x]) => clipped(x as string, n.attrs.min, n.attrs.max),
  maxpool: (n, [x]) => maxPool(n, x as string, n.attrs),
  avgpool: (n, [x]) => averagePool(n, x as string, n.attrs, n.attrs.count_pad && n.attrs.pad !== "same"),
  gap: (n, [x], c) =>
    n.attrs.over === "hw" ? call("GlobalAveragePool", [x as string]) : reduce("ReduceMean", x as string, axesNamed(n.attrs.over), c),
  gmp: (n, [x], c) =>
    n.attrs.over === "hw" ? call("GlobalMaxPool", [x as string]) : reduce("ReduceMax", x as string, axesNamed(n.attrs.over), c),
  avgpool_to: (n, [x]) => averagePool(n, x as string, poolTo(typeOf(n), n.attrs.size), true),
  maxpool_to: (n, [x]) => maxPool(n, x as string, poolTo(typeOf(n), n.attrs.size)),
  chanmean: (_, [x], c) => reduce("ReduceMean", x as string, [1], c),
  chanmax: (_, [x], c) => reduce("ReduceMax", x as string, [1], c),
  upsample: (n, [x]) => resize(n, x as string),
  pixelshuffle: (n, [x]) => call("DepthToSpace", [x as string], int("blocksize", n.attrs.factor), text("mode", "CRD")),
  pixelunshuffle: (n, [x]) => unshuffle(n, x as string),
  chanshuffle: (n, [x]) => channelShuffle(n, x as string),
  slice: (n, [x]) => call("Slice", [x as string, whole(n.attrs.start), whole(n.attrs.stop), whole(AXIS[n.attrs.axis])]),
  pad: (n, [x]) => padding(n, x as string),
  flatten: (_, [x]) => call("Flatten", [x as string], int("axis", 1)),
  reshape: (n, [x]) => call("Reshape", [x as string, outShape(n)]),
  // the one layer that is a transposition
  swaphw: (_, [x]) => call("Transpose", [x as string], ints("perm", [0, 1, 3, 2])),
  identity: (_, [x]) => call("Identity", [x as string]),
  // the mode of training is left out, and so false
  dropout: (n, [x]) => call("Dropout", [x as string, scalar(n.attrs.p)]),
  droppath: (_, [x]) => call("Identity", [x as string]),
  add: (_, args) => fold("Add", args),
  mul: (_, args) => fold("Mul", args),
  concat: (n, args) => call("Concat", args, int("axis", AXIS[n.attrs.axis])),
};

/** The cell of a node, its attributes typed by its op. */
export function cellOf(node: Node): (args: readonly string[], context: CellContext) => Call {
  const cell = cells[node.op as OpName] as Cell<OpName>;
  return (args, context) => cell(node as NodeOf<OpName>, args, context);
}
