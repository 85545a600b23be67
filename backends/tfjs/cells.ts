/** One cell per op: the JavaScript expression that computes it with TensorFlow.js, NHWC. A missing op does not compile. */
import type { Node } from "../../compiler/ir/graph.ts";
import type { TensorType } from "../../compiler/ir/type.ts";
import type { NodeOf, OpName } from "../../compiler/ops/index.ts";
import { type PoolAttrs, poolAxes, poolSpans } from "../../compiler/ops/pool.ts";
import { pairOf, resolvePad, spatial } from "../../compiler/ops/shape.ts";
import { numberLiteral, stringLiteral } from "../module/text.ts";

/** What a cell may ask about the net around its node. */
export interface CellContext {
  /** A `flatten` whose readers are all linear layers keeps NHWC order: their weights are repacked instead (`permuted`). */
  readonly keepsOrder: (node: Node) => boolean;
  /** `norm: [...]` and `act: "relu"` of what was joined to a convolution or linear layer; "" when nothing was. */
  readonly joined: (node: Node) => string;
  readonly training: boolean;
}

type Cell<N extends OpName> = (node: NodeOf<N>, args: readonly string[], context: CellContext) => string;

/** NCHW axis -> NHWC axis. */
const AXIS = { c: 3, h: 1, w: 2 } as const;

const list = (values: readonly number[]): string => `[${values.map(numberLiteral).join(", ")}]`;
const w = (node: Node, name: string): string => (node.weights[name] ? `w[${stringLiteral(node.weights[name].name)}]` : "undefined");
/** The path under which `layers.js` finds a layer's tensors: that of the layer that made them, also in shared uses. */
const owner = (node: Node): string => stringLiteral((node.weights.weight as { name: string }).name.replace(/\.?weight$/, ""));
const typeOf = (node: Node): TensorType => (node.inputs[0] as { type: TensorType }).type;
const isMap = (node: Node): boolean => typeOf(node).shape.length === 4;
/** NHWC shape of a node's output; the batch is left open (-1 in reshapes and slices), so that `apply` takes any. */
const outShape = (node: Node): string => {
  const [, c, h, width] = node.output.type.shape as number[];
  return node.output.type.shape.length === 4 ? list([-1, h as number, width as number, c as number]) : list([-1, c as number]);
};

/** Only what differs from layers.js's defaults. */
function convOptions(node: NodeOf<"conv">, joined: string): string {
  const a = node.attrs;
  const [kernel, stride, dilation] = [pairOf(a.kernel), pairOf(a.stride), pairOf(a.dilation)];
  const pad = resolvePad(a.pad, spatial(typeOf(node)), kernel, stride, dilation);
  const depthwise = a.groups > 1 && a.groups === typeOf(node).shape[1];
  const parts = [
    stride.some((s) => s !== 1) ? `stride: ${list(stride)}` : "",
    pad.some((p) => p !== 0) ? `pad: ${list(pad)}` : "",
    dilation.some((d) => d !== 1) ? `dilation: ${list(dilation)}` : "",
    a.groups > 1 && !depthwise ? `groups: ${a.groups}` : "",
    depthwise ? "depthwise: true" : "",
    joined,
  ].filter(Boolean);
  return parts.length > 0 ? `, { ${parts.join(", ")} }` : ", {}";
}

/** Explicit padding to exactly what the windows read, so that TensorFlow.js pools without padding of its own. */
function poolOptions(input: TensorType, a: PoolAttrs): string {
  const [h, width] = poolAxes(input, a);
  const after = (x: typeof h): number => Math.max(0, (x.out - 1) * x.stride + x.dilation * (x.kernel - 1) + 1 - x.in - x.before);
  const dilation = [h.dilation, width.dilation];
  return [
    `kernel: ${list([h.kernel, width.kernel])}`,
    `stride: ${list([h.stride, width.stride])}`,
    `pad: ${list([h.before, width.before, after(h), after(width)])}`,
    ...(dilation.some((d) => d !== 1) ? [`dilation: ${list(dilation)}`] : []),
  ].join(", ");
}

function averagePool(node: Node, x: string, a: PoolAttrs, countPad: boolean): string {
  const spans = poolSpans(typeOf(node), a, countPad);
  const [kh, kw] = pairOf(a.kernel);
  const whole = spans[0].every((n) => n === kh) && spans[1].every((n) => n === kw);
  return `avgPool(tf, ${x}, { ${poolOptions(typeOf(node), a)}${whole ? "" : `, counts: [${list(spans[0])}, ${list(spans[1])}]`} })`;
}

/** Source index of each output index of a nearest upsampling: floor(i * from / to), exact. */
const nearestIndex = (from: number, to: number): number[] => Array.from({ length: to }, (_, i) => Math.floor((i * from) / to));

function upsample(node: NodeOf<"upsample">, x: string): string {
  const [inH, inW] = spatial(typeOf(node));
  const [h, width] = spatial(node.output.type);
  if (node.attrs.mode === "bilinear") return `tf.image.resizeBilinear(${x}, [${h}, ${width}], ${node.attrs.align}, ${!node.attrs.align})`;
  if (h % inH === 0 && width % inW === 0) return `tf.image.resizeNearestNeighbor(${x}, [${h}, ${width}])`;
  return `take(tf, take(tf, ${x}, ${list(nearestIndex(inH, h))}, 1), ${list(nearestIndex(inW, width))}, 2)`;
}

/** Source index of each index of a padded axis, for reflect and edge. */
function padIndex(mode: "reflect" | "edge", size: number, before: number, after: number): number[] {
  return Array.from({ length: size + before + after }, (_, i) => {
    const at = i - before;
    if (mode === "edge") return Math.min(Math.max(at, 0), size - 1);
    return at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at;
  });
}

function pad(node: NodeOf<"pad">, x: string): string {
  const { amount, mode, value, axis } = node.attrs;
  const [, c, h, width] = typeOf(node).shape as number[];
  const sides: { axis: number; size: number; before: number; after: number }[] = [];
  if (axis === "c") {
    const [before = 0, after = before] = typeof amount === "number" ? [amount, amount] : amount;
    sides.push({ axis: 3, size: c as number, before, after });
  } else {
    const [top, left, bottom, right] = resolvePad(amount, [h as number, width as number], [1, 1], [1, 1], [1, 1]);
    sides.push({ axis: 1, size: h as number, before: top, after: bottom }, { axis: 2, size: width as number, before: left, after: right });
  }
  if (mode === "constant") {
    const all = [0, 1, 2, 3].map((i) => sides.find((s) => s.axis === i));
    return `tf.pad(${x}, [${all.map((s) => `[${s?.before ?? 0}, ${s?.after ?? 0}]`).join(", ")}], ${numberLiteral(value)})`;
  }
  return sides.reduce(
    (y, s) => (s.before || s.after ? `take(tf, ${y}, ${list(padIndex(mode, s.size, s.before, s.after))}, ${s.axis})` : y),
    x,
  );
}

/** A map in C, H, W order as a vector or another map. The order of a map of one pixel, or of one channel, is that already. */
function reorder(node: Node, x: string): string {
  const input = typeOf(node).shape as number[];
  const output = node.output.type.shape as number[];
  const plain = (s: readonly number[]): boolean => s.length < 4 || s[1] === 1 || (s[2] === 1 && s[3] === 1);
  const flat = plain(input) ? x : `tf.transpose(${x}, [0, 3, 1, 2])`;
  if (plain(output)) return `tf.reshape(${flat}, ${outShape(node)})`;
  return `tf.transpose(tf.reshape(${flat}, ${list([-1, ...output.slice(1)])}), [0, 2, 3, 1])`;
}

function chanShuffle(node: NodeOf<"chanshuffle">): number[] {
  const c = typeOf(node).shape[1] as number;
  const g = node.attrs.groups;
  // channel i*(c/g) + j goes to j*g + i
  return Array.from({ length: c }, (_, to) => (to % g) * (c / g) + Math.floor(to / g));
}

const average = (over: string): string => (over === "hw" ? "[1, 2]" : over === "h" ? "[1]" : "[2]");
const toPool = (input: TensorType, size: number | readonly number[]): PoolAttrs => {
  const [h, width] = pairOf(size);
  const [inH, inW] = spatial(input);
  return { kernel: [inH / h, inW / width], pad: 0, ceil: false };
};
const affine = (node: Node, y: string): string => {
  const scaled = node.weights.weight ? `tf.mul(${y}, ${w(node, "weight")})` : y;
  return node.weights.bias ? `tf.add(${scaled}, ${w(node, "bias")})` : scaled;
};
const fold = (fn: string, args: readonly string[]): string => args.reduce((a, b) => `${fn}(${a}, ${b})`);

export const cells: { readonly [N in OpName]: Cell<N> } = {
  conv: (n, [x], c) => `conv(net, ${x}, ${owner(n)}${convOptions(n, c.joined(n))})`,
  deconv: (n, [x]) => {
    const a = n.attrs;
    const padding = resolvePad(a.pad, spatial(typeOf(n)), [1, 1], [1, 1], [1, 1]);
    return `deconv(net, ${x}, ${owner(n)}, { stride: ${list(pairOf(a.stride))}, pad: ${list(padding)}, dilation: ${list(pairOf(a.dilation))}, groups: ${a.groups}, size: ${list(spatial(n.output.type))} })`;
  },
  linear: (n, [x], c) => `linear(net, ${x}, ${owner(n)}${c.joined(n) ? `, { ${c.joined(n)} }` : ""})`,
  chanconv: (n, [x]) => `chanconv(tf, ${x}, ${w(n, "weight")}, ${w(n, "bias")}, ${n.attrs.pad_mode === "circular"})`,
  bn: (n, [x]) =>
    `norm(net, ${x}, ${stringLiteral((n.weights.running_mean as { name: string }).name.replace(/\.?running_mean$/, ""))}, ${n.attrs.eps}, ${n.attrs.momentum})`,
  ln: (n, [x]) => affine(n, `standardize(tf, ${x}, [${isMap(n) ? 3 : 1}], ${n.attrs.eps})`),
  gn: (n, [x]) => affine(n, `groupNorm(tf, ${x}, ${n.attrs.groups}, ${n.attrs.eps})`),
  instnorm: (n, [x]) => affine(n, `standardize(tf, ${x}, [1, 2], ${n.attrs.eps})`),
  lrn: (n, [x]) => {
    const { size, alpha, beta, k } = n.attrs;
    return `localResponseNorm(tf, ${x}, { size: ${size}, alpha: ${numberLiteral(alpha)}, beta: ${numberLiteral(beta)}, k: ${numberLiteral(k)} })`;
  },
  affine: (n, [x]) => affine(n, x as string),
  relu: (_, [x]) => `tf.relu(${x})`,
  relu6: (_, [x]) => `tf.clipByValue(${x}, 0, 6)`,
  leaky_relu: (n, [x]) => `tf.leakyRelu(${x}, ${numberLiteral(n.attrs.slope)})`,
  elu: (n, [x]) =>
    n.attrs.alpha === 1 ? `tf.elu(${x})` : `tf.add(tf.relu(${x}), tf.mul(tf.expm1(tf.minimum(${x}, 0)), ${numberLiteral(n.attrs.alpha)}))`,
  silu: (_, [x]) => `tf.mul(${x}, tf.sigmoid(${x}))`,
  mish: (_, [x]) => `tf.mul(${x}, tf.tanh(tf.add(tf.relu(${x}), tf.log1p(tf.exp(tf.neg(tf.abs(${x})))))))`,
  softplus: (_, [x]) => `tf.add(tf.relu(${x}), tf.log1p(tf.exp(tf.neg(tf.abs(${x})))))`,
  tanh: (_, [x]) => `tf.tanh(${x})`,
  sigmoid: (_, [x]) => `tf.sigmoid(${x})`,
  prelu: (n, [x]) => `tf.prelu(${x}, ${w(n, "weight")})`,
  gelu: (n, [x]) =>
    n.attrs.approx === "erf"
      ? `tf.mul(tf.mul(${x}, 0.5), tf.add(tf.erf(tf.mul(${x}, Math.SQRT1_2)), 1))`
      : `tf.mul(tf.mul(${x}, 0.5), tf.add(tf.tanh(tf.mul(tf.add(tf.mul(tf.mul(${x}, tf.square(${x})), 0.044715), ${x}), Math.sqrt(2 / Math.PI))), 1))`,
  hsigmoid6: (_, [x]) => `tf.mul(tf.clipByValue(tf.add(${x}, 3), 0, 6), 1 / 6)`,
  hsigmoid5: (_, [x]) => `tf.clipByValue(tf.add(tf.mul(${x}, 0.2), 0.5), 0, 1)`,
  hswish: (_, [x]) => `tf.mul(${x}, tf.mul(tf.clipByValue(tf.add(${x}, 3), 0, 6), 1 / 6))`,
  softmax: (n, [x]) => {
    const [, c, h = 1, width = 1] = n.output.type.shape as number[];
    const shape = outShape(n);
    if (n.attrs.over === "hw") return `tf.reshape(softmax(tf, tf.reshape(${x}, [-1, ${h * width}, ${c}]), 1), ${shape})`;
    if (n.attrs.parts === 1) return `softmax(tf, ${x}, ${isMap(n) ? 3 : 1})`;
    const { parts } = n.attrs;
    return `tf.reshape(softmax(tf, tf.reshape(${x}, [-1, ${h * width}, ${parts}, ${(c as number) / parts}]), 2), ${shape})`;
  },
  square: (_, [x]) => `tf.square(${x})`,
  sqrt: (_, [x]) => `tf.sqrt(${x})`,
  rsqrt: (_, [x]) => `tf.rsqrt(${x})`,
  recip: (_, [x]) => `tf.reciprocal(${x})`,
  abs: (_, [x]) => `tf.abs(${x})`,
  times: (n, [x]) => `tf.mul(${x}, ${numberLiteral(n.attrs.k)})`,
  plus: (n, [x]) => `tf.add(${x}, ${numberLiteral(n.attrs.k)})`,
  clip: (n, [x]) => `tf.clipByValue(${x}, ${numberLiteral(n.attrs.min)}, ${numberLiteral(n.attrs.max)})`,
  maxpool: (n, [x]) => `maxPool(tf, ${x}, { ${poolOptions(typeOf(n), n.attrs)} })`,
  avgpool: (n, [x]) => averagePool(n, x as string, n.attrs, n.attrs.count_pad && n.attrs.pad !== "same"),
  gap: (n, [x]) => `tf.mean(${x}, ${average(n.attrs.over)}, true)`,
  gmp: (n, [x]) => `tf.max(${x}, ${average(n.attrs.over)}, true)`,
  avgpool_to: (n, [x]) => averagePool(n, x as string, toPool(typeOf(n), n.attrs.size), true),
  maxpool_to: (n, [x]) => `maxPool(tf, ${x}, { ${poolOptions(typeOf(n), toPool(typeOf(n), n.attrs.size))} })`,
  chanmean: (_, [x]) => `tf.mean(${x}, 3, true)`,
  chanmax: (_, [x]) => `tf.max(${x}, 3, true)`,
  upsample: (n, [x]) => upsample(n, x as string),
  pixelshuffle: (n, [x]) => {
    const c = n.output.type.shape[1] as number;
    const r = n.attrs.factor;
    return r === 1 ? (x as string) : `tf.depthToSpace(take(tf, ${x}, shuffleOrder(${c}, ${r}), 3), ${r}, "NHWC")`;
  },
  pixelunshuffle: (n, [x]) => `unshuffle(tf, ${x}, ${n.attrs.factor})`,
  chanshuffle: (n, [x]) => `take(tf, ${x}, ${list(chanShuffle(n))}, ${isMap(n) ? 3 : 1})`,
  slice: (n, [x]) => {
    const begin = [0, 0, 0, 0];
    const axis = isMap(n) ? AXIS[n.attrs.axis] : 1;
    begin[axis] = n.attrs.start;
    return `tf.slice(${x}, ${list(isMap(n) ? begin : begin.slice(0, 2))}, ${outShape(n)})`;
  },
  pad: (n, [x]) => pad(n, x as string),
  flatten: (n, [x], c) => (c.keepsOrder(n) ? `tf.reshape(${x}, ${outShape(n)})` : reorder(n, x as string)),
  reshape: (n, [x]) => reorder(n, x as string),
  swaphw: (_, [x]) => `tf.transpose(${x}, [0, 2, 1, 3])`,
  identity: (_, [x]) => x as string,
  dropout: (n, [x], c) => (c.training ? `(training ? tf.dropout(${x}, ${numberLiteral(n.attrs.p)}) : ${x})` : (x as string)),
  droppath: (n, [x], c) => (c.training ? `dropPath(net, ${x}, ${numberLiteral(n.attrs.p)})` : (x as string)),
  add: (_, args) => fold("tf.add", args),
  mul: (_, args) => fold("tf.mul", args),
  concat: (n, args) => `tf.concat([${args.join(", ")}], ${isMap(n) ? AXIS[n.attrs.axis as keyof typeof AXIS] : 1})`,
};

/** The cell of a node, its attributes typed by its op. */
export function cellOf(node: Node): (args: readonly string[], context: CellContext) => string {
  const cell = cells[node.op as OpName] as Cell<OpName>;
  return (args, context) => cell(node as NodeOf<OpName>, args, context);
}
