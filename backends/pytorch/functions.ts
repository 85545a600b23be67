/** One cell per op: the Python expression of a layer that has no module of its own in `forward`. A missing op does not compile. */
import type { Node } from "../../compiler/ir/graph.ts";
import type { NodeOf, OpName } from "../../compiler/ops/index.ts";
import { resolvePad, spatial } from "../../compiler/ops/shape.ts";
import { call, type Expr, loose, named, raw, tight } from "./expr.ts";
import { border, compact, type Holes, holesFor, inputType, isMap } from "./holes.ts";
import { literal } from "./python-text.ts";
import { nearestIndex, upsampleArgs } from "./resize.ts";
import { averagePoolArgs, maxPoolArgs, poolBorder } from "./windows.ts";

type Cell<N extends OpName> = (node: NodeOf<N>, args: readonly Expr[], h: Holes) => Expr;

/** Layers with weights, and random ones, are modules always: `layers.ts`. */
const asModule: Cell<OpName> = () => raw("");

const first = (args: readonly Expr[]): Expr => args[0] as Expr;
const fn =
  (name: string): Cell<OpName> =>
  (_, args) =>
    call(name, first(args));
const method =
  (name: string): Cell<OpName> =>
  (_, args) =>
    tight`${first(args)}.${raw(name)}()`;

const AXES = { hw: "(2, 3)", h: "2", w: "3" } as const;
const reduced = (x: Expr, name: string, axes: string): Expr => tight`${x}.${raw(`${name}(${axes}, keepdim=True)`)}`;
const joined = (args: readonly Expr[], operator: string): Expr =>
  args.reduce((a, b) => (operator === "+" ? { kind: "text", parts: [a, " + ", b], loose: true } : loose`${a} * ${b}`));

function softmax(n: NodeOf<"softmax">, [x]: readonly Expr[], h: Holes): Expr {
  const { over, parts } = n.attrs;
  if (over === "hw") return tight`${x as Expr}.flatten(2).softmax(-1).unflatten(2, ${h.of("map", [...spatial(inputType(n))])})`;
  if (parts === 1) return call("torch.softmax", x as Expr, raw("1"));
  return tight`${x as Expr}.unflatten(1, (${h.of("parts", parts)}, -1)).softmax(1).flatten(1, 2)`;
}

function pad(n: NodeOf<"pad">, x: Expr, h: Holes): Expr {
  const { amount, axis, mode, value } = n.attrs;
  const [p = 0, q = p] = typeof amount === "number" ? [amount] : amount;
  const sides = axis === "c" ? [0, 0, 0, 0, p, q] : border(resolvePad(amount, [0, 0], [1, 1], [1, 1], [1, 1]));
  if (mode === "constant") return call("F.pad", x, h.of("border", sides), h.option("value", value, 0));
  const how = named("mode", raw(mode === "edge" ? '"replicate"' : '"reflect"'));
  // F.pad copies edges of the last three axes only of five
  if (axis === "c") return tight`${call("F.pad", tight`${x}.unsqueeze(0)`, h.of("border", sides), how)}.squeeze(0)`;
  return call("F.pad", x, h.of("border", sides), how);
}

const slices = { c: "", h: ":, ", w: ":, :, " } as const;
const dims = (n: Node): readonly number[] => n.output.type.shape.slice(1) as number[];

export const functions: { readonly [N in OpName]: Cell<N> } = {
  conv: asModule,
  deconv: asModule,
  linear: asModule,
  chanconv: asModule,
  bn: asModule,
  ln: asModule,
  gn: asModule,
  instnorm: asModule,
  affine: asModule,
  prelu: asModule,
  lrn: ({ attrs: { size, alpha, beta, k } }, [x], h) =>
    call(
      "F.local_response_norm",
      x as Expr,
      h.of("size", size),
      h.option("alpha", alpha, 1e-4),
      h.option("beta", beta, 0.75),
      h.option("k", k, 1),
    ),
  relu: fn("F.relu"),
  relu6: fn("F.relu6"),
  leaky_relu: (n, [x], h) => call("F.leaky_relu", x as Expr, h.of("slope", n.attrs.slope)),
  elu: (n, [x], h) => call("F.elu", x as Expr, h.option("alpha", n.attrs.alpha, 1)),
  silu: fn("F.silu"),
  mish: fn("F.mish"),
  softplus: fn("F.softplus"),
  tanh: fn("torch.tanh"),
  sigmoid: fn("torch.sigmoid"),
  gelu: (n, [x], h) => call("F.gelu", x as Expr, h.option("approximate", n.attrs.approx === "tanh" ? "tanh" : "none", "none")),
  hsigmoid6: fn("F.hardsigmoid"),
  hsigmoid5: (_, [x]) => call("torch.clamp", loose`0.2 * ${x as Expr} + 0.5`, raw("0"), raw("1")),
  hswish: fn("F.hardswish"),
  softmax,
  square: method("square"),
  sqrt: method("sqrt"),
  rsqrt: method("rsqrt"),
  recip: method("reciprocal"),
  abs: method("abs"),
  times: (n, [x], h) => loose`${h.of("factor", n.attrs.k)} * ${x as Expr}`,
  plus: (n, [x], h) => loose`${x as Expr} + ${h.of("term", n.attrs.k)}`,
  clip: (n, [x], h) => call("torch.clamp", x as Expr, h.of("min", n.attrs.min), h.of("max", n.attrs.max)),
  maxpool: (n, [x], h) => {
    const args = maxPoolArgs(inputType(n), n.attrs, h);
    if (args) return call("F.max_pool2d", x as Expr, ...args);
    const { padding, beyond } = poolBorder(inputType(n), n.attrs);
    const sides = padding.map((p, i) => p + (beyond[i] as number));
    return call(
      "F.max_pool2d",
      call("F.pad", x as Expr, h.of("border", sides), named("value", raw('float("-inf")'))),
      h.of("kernel", compact(n.attrs.kernel)),
      h.option("stride", compact(n.attrs.stride ?? n.attrs.kernel), compact(n.attrs.kernel)),
      h.option("dilation", compact(n.attrs.dilation), 1),
    );
  },
  avgpool: (n, [x], h) => {
    const args = averagePoolArgs(inputType(n), n.attrs, h);
    if (args) return call("F.avg_pool2d", x as Expr, ...args);
    const { padding, beyond } = poolBorder(inputType(n), n.attrs);
    return call(
      "average_pool",
      x as Expr,
      h.of("kernel", compact(n.attrs.kernel)),
      h.of("stride", compact(n.attrs.stride ?? n.attrs.kernel)),
      named("border", h.of("border", padding)),
      named("beyond", h.of("beyond", beyond)),
      named("count_border", h.of("count_border", n.attrs.count_pad && n.attrs.pad !== "same")),
    );
  },
  gap: (n, [x]) => reduced(x as Expr, "mean", AXES[n.attrs.over]),
  gmp: (n, [x]) => reduced(x as Expr, "amax", AXES[n.attrs.over]),
  avgpool_to: (n, [x], h) => call("F.adaptive_avg_pool2d", x as Expr, h.of("size", compact(n.attrs.size))),
  maxpool_to: (n, [x], h) => call("F.adaptive_max_pool2d", x as Expr, h.of("size", compact(n.attrs.size))),
  chanmean: (_, [x]) => reduced(x as Expr, "mean", "1"),
  chanmax: (_, [x]) => reduced(x as Expr, "amax", "1"),
  upsample: (n, [x], h) => {
    const args = upsampleArgs(n, h);
    if (args) return call("F.interpolate", x as Expr, ...args);
    const [rows, columns] = spatial(inputType(n)).map((from, i) => nearestIndex(from, spatial(n.output.type)[i] as number));
    return tight`${x as Expr}[:, :, ${h.of("rows", rows as number[])}][..., ${h.of("columns", columns as number[])}]`;
  },
  pixelshuffle: (n, [x], h) => call("F.pixel_shuffle", x as Expr, h.of("factor", n.attrs.factor)),
  pixelunshuffle: (n, [x], h) => call("F.pixel_unshuffle", x as Expr, h.of("factor", n.attrs.factor)),
  chanshuffle: (n, [x], h) => tight`${x as Expr}.unflatten(1, (${h.of("groups", n.attrs.groups)}, -1)).transpose(1, 2).flatten(1, 2)`,
  slice: (n, [x], h) => {
    const { start, stop, axis } = n.attrs;
    const at = (name: string, i: number): Expr => (axis === "c" ? h.channels("in", i) : h.of(name, i));
    return tight`${x as Expr}[:, ${raw(isMap(n) ? slices[axis] : "")}${at("start", start)}:${at("stop", stop)}]`;
  },
  pad: (n, [x], h) => pad(n, x as Expr, h),
  flatten: (_, [x]) => call("torch.flatten", x as Expr, raw("1")),
  reshape: (n, [x], h) => tight`${x as Expr}.reshape(-1, ${reshaped(n, h)})`,
  swaphw: (_, [x]) => tight`${x as Expr}.transpose(2, 3)`,
  identity: (_, [x]) => x as Expr,
  dropout: (n, [x], h) => call("F.dropout", x as Expr, h.of("p", n.attrs.p), raw("self.training")),
  droppath: (n, [x], h) => call("drop_path", x as Expr, h.of("p", n.attrs.p), raw("self.training")),
  add: (_, args) => joined(args, "+"),
  mul: (_, args) => joined(args, "*"),
  concat: (n, args) => {
    const axis = isMap(n) ? { c: 1, h: 2, w: 3 }[n.attrs.axis as "c" | "h" | "w"] : 1;
    return call(
      "torch.cat",
      { kind: "text", parts: ["[", ...args.flatMap((a, i) => (i === 0 ? [a] : [", ", a])), "]"], loose: false },
      raw(literal(axis)),
    );
  },
};

function reshaped(n: Node, h: Holes): Expr {
  const sizes = dims(n).map((d, i) => h.of(`size${i}`, d));
  return { kind: "text", parts: sizes.flatMap((e, i) => (i === 0 ? [e] : [", ", e])), loose: false };
}

/** The expression of a node that is no module; `args` are its inputs. */
export function functionOf(node: Node, label: string, args: readonly Expr[]): Expr {
  return (functions[node.op as OpName] as Cell<OpName>)(node as NodeOf<OpName>, args, holesFor(label));
}

/** Layers that must be modules: they have weights, or no function without them. */
export const needsModule = (op: string): boolean => functions[op as OpName] === (asModule as unknown);
