/** The nn.Module of every layer that has one: what stands in a constructor or in nn.Sequential. The others are cells of `functions.ts`. */
import type { Node } from "../../compiler/ir/graph.ts";
import type { NodeOf, OpName } from "../../compiler/ops/index.ts";
import { channels, pairOf, resolvePad, spatial } from "../../compiler/ops/shape.ts";
import { call, type Expr, named } from "./expr.ts";
import { border, compact, type Holes, holesFor, inputType, isMap } from "./holes.ts";
import { upsampleArgs } from "./resize.ts";
import { averagePoolArgs, maxPoolArgs } from "./windows.ts";

function conv(node: NodeOf<"conv">, h: Holes): Expr {
  const a = node.attrs;
  const [kernel, stride, dilation] = [pairOf(a.kernel), pairOf(a.stride), pairOf(a.dilation)];
  const pads = resolvePad(a.pad, spatial(inputType(node)), kernel, stride, dilation);
  const [top, left, bottom, right] = pads;
  const even = top === bottom && left === right;
  const given = channels(inputType(node));
  return call(
    even ? "nn.Conv2d" : "PaddedConv2d",
    h.channels("in", given),
    h.channels("out", a.out),
    h.of("kernel", compact(a.kernel)),
    h.option("stride", compact(a.stride), 1),
    even ? h.option("padding", compact([top, left]), 0) : named("border", h.of("border", border(pads))),
    h.option("dilation", compact(a.dilation), 1),
    h.option("groups", a.groups, 1),
    h.option("bias", a.bias, true),
  );
}

function deconv(node: NodeOf<"deconv">, h: Holes): Expr {
  const a = node.attrs;
  const [top, left, bottom, right] = resolvePad(a.pad, [0, 0], [1, 1], [1, 1], [1, 1]);
  const [extraH, extraW] = pairOf(a.out_pad);
  // PyTorch cuts the same on both sides: that, then the rest; rows that are added on one side and cut on the same cancel out
  const axis = (before: number, after: number, extra: number) => {
    const both = Math.min(before, after);
    const added = Math.max(0, extra - (after - both));
    return { both, added, first: before - both, last: after - both - extra + added };
  };
  const [y, x] = [axis(top, bottom, extraH), axis(left, right, extraW)];
  const crop = [x.first, x.last, y.first, y.last];
  const plain = crop.every((n) => n === 0);
  return call(
    plain ? "nn.ConvTranspose2d" : "CroppedConvTranspose2d",
    h.channels("in", channels(inputType(node))),
    h.channels("out", a.out),
    h.of("kernel", compact(a.kernel)),
    h.option("stride", compact(a.stride), 1),
    h.option("padding", compact([y.both, x.both]), 0),
    h.option("output_padding", compact([y.added, x.added]), 0),
    h.option("groups", a.groups, 1),
    h.option("bias", a.bias, true),
    h.option("dilation", compact(a.dilation), 1),
    ...(plain ? [] : [named("crop", h.of("crop", crop))]),
  );
}

const norm = (node: Node, h: Holes): Expr => h.channels("in", channels(inputType(node)));
type Module<N extends OpName> = (node: NodeOf<N>, h: Holes) => Expr | undefined;

/** Undefined, or a cell that gives undefined: there is no such module in PyTorch, `functions.ts` writes it. */
export const modules: { readonly [N in OpName]?: Module<N> } = {
  conv,
  deconv,
  linear: (n, h) =>
    call("nn.Linear", h.channels("in", channels(inputType(n))), h.channels("out", n.attrs.out), h.option("bias", n.attrs.bias, true)),
  chanconv: (n, h) =>
    call(
      "ChannelConv",
      h.of("kernel", n.attrs.kernel),
      h.option("padding_mode", n.attrs.pad_mode, "zeros"),
      h.option("bias", n.attrs.bias, true),
    ),
  bn: (n, h) =>
    call(
      isMap(n) ? "nn.BatchNorm2d" : "nn.BatchNorm1d",
      norm(n, h),
      h.option("eps", n.attrs.eps, 1e-5),
      h.option("momentum", n.attrs.momentum, 0.1),
      h.option("affine", n.attrs.affine, true),
    ),
  ln: (n, h) =>
    call(
      isMap(n) ? "LayerNorm2d" : "nn.LayerNorm",
      norm(n, h),
      h.option("eps", n.attrs.eps, 1e-5),
      h.option("elementwise_affine", n.attrs.affine, true),
    ),
  gn: (n, h) =>
    call(
      "nn.GroupNorm",
      h.of("groups", n.attrs.groups),
      norm(n, h),
      h.option("eps", n.attrs.eps, 1e-5),
      h.option("affine", n.attrs.affine, true),
    ),
  instnorm: (n, h) => call("nn.InstanceNorm2d", norm(n, h), h.option("eps", n.attrs.eps, 1e-5), h.option("affine", n.attrs.affine, false)),
  lrn: ({ attrs: { size, alpha, beta, k } }, h) =>
    call("nn.LocalResponseNorm", h.of("size", size), h.option("alpha", alpha, 1e-4), h.option("beta", beta, 0.75), h.option("k", k, 1)),
  affine: (n, h) => call("Affine", norm(n, h), h.option("bias", n.attrs.bias, true), h.option("start", n.attrs.start, 1)),
  relu: () => call("nn.ReLU"),
  relu6: () => call("nn.ReLU6"),
  leaky_relu: (n, h) => call("nn.LeakyReLU", h.of("slope", n.attrs.slope)),
  elu: (n, h) => call("nn.ELU", h.option("alpha", n.attrs.alpha, 1)),
  silu: () => call("nn.SiLU"),
  mish: () => call("nn.Mish"),
  softplus: () => call("nn.Softplus"),
  tanh: () => call("nn.Tanh"),
  sigmoid: () => call("nn.Sigmoid"),
  prelu: (n, h) => call("nn.PReLU", n.attrs.shared ? h.of("factors", 1) : norm(n, h)),
  gelu: (n, h) => call("nn.GELU", h.option("approximate", n.attrs.approx === "tanh" ? "tanh" : "none", "none")),
  hsigmoid6: () => call("nn.Hardsigmoid"),
  hswish: () => call("nn.Hardswish"),
  softmax: (n, h) => (n.attrs.over === "c" && n.attrs.parts === 1 ? call("nn.Softmax", h.of("dim", 1)) : undefined),
  maxpool: (n, h) => {
    const args = maxPoolArgs(inputType(n), n.attrs, h);
    return args && call("nn.MaxPool2d", ...args);
  },
  avgpool: (n, h) => {
    const args = averagePoolArgs(inputType(n), n.attrs, h);
    return args && call("nn.AvgPool2d", ...args);
  },
  gap: (n, h) => (n.attrs.over === "hw" ? call("nn.AdaptiveAvgPool2d", h.of("size", 1)) : undefined),
  gmp: (n, h) => (n.attrs.over === "hw" ? call("nn.AdaptiveMaxPool2d", h.of("size", 1)) : undefined),
  avgpool_to: (n, h) => call("nn.AdaptiveAvgPool2d", h.of("size", compact(n.attrs.size))),
  maxpool_to: (n, h) => call("nn.AdaptiveMaxPool2d", h.of("size", compact(n.attrs.size))),
  upsample: (n, h) => {
    const args = upsampleArgs(n, h);
    return args && call("nn.Upsample", ...args);
  },
  pixelshuffle: (n, h) => call("nn.PixelShuffle", h.of("factor", n.attrs.factor)),
  pixelunshuffle: (n, h) => call("nn.PixelUnshuffle", h.of("factor", n.attrs.factor)),
  flatten: () => call("nn.Flatten"),
  identity: () => call("nn.Identity"),
  dropout: (n, h) => call("nn.Dropout", h.of("p", n.attrs.p)),
  droppath: (n, h) => call("DropPath", h.of("p", n.attrs.p)),
};

/** The module of a node; undefined when it has to be written as an expression. */
export function moduleOf(node: Node, label: string): Expr | undefined {
  const cell = modules[node.op as OpName] as Module<OpName> | undefined;
  return cell?.(node as NodeOf<OpName>, holesFor(label));
}
