/** Graphs for tests of lowering and kernel passes, built op by op: no parser is involved. Batch norms are already folded: convolutions have biases. */
import { invariant } from "../../compiler/invariant.ts";
import { graphBuilder } from "../../compiler/ir/build.ts";
import type { Attrs, Graph, Value } from "../../compiler/ir/graph.ts";
import { f32 } from "../../compiler/ir/type.ts";
import { applyOp } from "../../compiler/ops/apply.ts";
import { sourceFile, span } from "../../compiler/source.ts";

const file = sourceFile("net.se", "net");
const origin = { span: span(file, 0, 3), via: [] };

export interface NetBuilder {
  readonly input: (name: string, ...shape: (number | string)[]) => Value;
  /** A layer; `path` defaults to the op's name and a number. */
  readonly op: (op: string, inputs: Value | readonly Value[], attrs?: Attrs, path?: string) => Value;
  readonly finish: (...outputs: Value[]) => Graph;
}

export function buildNet(name = "net"): NetBuilder {
  const builder = graphBuilder(name);
  const used = new Map<string, number>();
  return {
    input: (inputName, ...shape) => builder.input(inputName, f32(...shape)),
    op(op, inputs, attrs = {}, path) {
      const count = used.get(op) ?? 0;
      used.set(op, count + 1);
      const list = Array.isArray(inputs) ? (inputs as readonly Value[]) : [inputs as Value];
      const made = applyOp(builder, op, list, attrs, { path: path ?? `${op}${count}`, origin });
      invariant(!("problem" in made), `${op}: ${JSON.stringify(made)}`);
      return made;
    },
    finish(...outputs) {
      for (const [i, v] of outputs.entries()) builder.output(outputs.length === 1 ? "out" : `out${i}`, v);
      return builder.finish();
    },
  };
}

export interface GateOptions {
  readonly hidden: number;
  readonly bias?: boolean;
  readonly act?: string;
  readonly gate?: string;
  /** mul(g, u) instead of mul(u, g). */
  readonly swapped?: boolean;
  /** linear layers on [N, C] between flatten and reshape instead of 1x1 convolutions. */
  readonly linear?: boolean;
}

const channelsOf = (v: Value): number => v.type.shape[1] as number;

/** The factors [N, C, 1, 1] of a squeeze-and-excitation of u. */
export function excitation({ op }: NetBuilder, u: Value, o: GateOptions, path = "se"): Value {
  const { bias = true, act = "relu", gate = "sigmoid" } = o;
  const c = channelsOf(u);
  let g = op("gap", u, {}, `${path}.gap`);
  if (o.linear) g = op("flatten", g, {}, `${path}.flatten`);
  const dense = (x: Value, out: number, name: string): Value =>
    o.linear ? op("linear", x, { out, bias }, name) : op("conv", x, { out, kernel: 1, bias }, name);
  g = dense(g, o.hidden, `${path}.fc1`);
  g = op(act, g, {}, `${path}.act`);
  g = dense(g, c, `${path}.fc2`);
  g = op(gate, g, {}, `${path}.gate`);
  return o.linear ? op("reshape", g, { dims: [c, 1, 1] }, `${path}.reshape`) : g;
}

export function se(net: NetBuilder, u: Value, o: GateOptions, path = "se"): Value {
  const g = excitation(net, u, o, path);
  return net.op("mul", o.swapped ? [g, u] : [u, g], {}, `${path}.scale`);
}

const STAGES = [
  [64, 3, 1],
  [128, 4, 2],
  [256, 6, 2],
  [512, 3, 2],
] as const;

/** ResNet-50 (stride in the 3x3), with or without gates after conv3. */
export function resnet50(gated: boolean, size = 224): Graph {
  const net = buildNet(gated ? "se_resnet50" : "resnet50");
  const { op } = net;
  const image = net.input("image", "N", 3, size, size);
  let x = op("relu", op("conv", image, { out: 64, kernel: 7, stride: 2, bias: true }, "conv1"), {}, "relu");
  x = op("maxpool", x, { kernel: 3, stride: 2, pad: 1 }, "maxpool");
  for (const [stage, [width, blocks, first]] of STAGES.entries())
    for (let i = 0; i < blocks; i++) {
      const path = `layer${stage + 1}.${i}`;
      const stride = i === 0 ? first : 1;
      const conv = (v: Value, name: string, attrs: Attrs): Value => op("conv", v, { bias: true, ...attrs }, `${path}.${name}`);
      let y = op("relu", conv(x, "conv1", { out: width, kernel: 1 }), {}, `${path}.relu1`);
      y = op("relu", conv(y, "conv2", { out: width, kernel: 3, stride }), {}, `${path}.relu2`);
      y = conv(y, "conv3", { out: width * 4, kernel: 1 });
      if (gated) y = se(net, y, { hidden: width / 4 }, `${path}.se`);
      const shortcut = i === 0 ? conv(x, "downsample", { out: width * 4, kernel: 1, stride }) : x;
      x = op("relu", op("add", [y, shortcut], {}, `${path}.add`), {}, `${path}.relu3`);
    }
  x = op("flatten", op("gap", x, {}, "gap"), {}, "flatten");
  return net.finish(op("linear", x, { out: 1000 }, "fc"));
}

/** kernel, expansion, out, gated, activation, stride (MobileNetV3-Large). */
const MOBILE = [
  [3, 16, 16, false, "relu", 1],
  [3, 64, 24, false, "relu", 2],
  [3, 72, 24, false, "relu", 1],
  [5, 72, 40, true, "relu", 2],
  [5, 120, 40, true, "relu", 1],
  [5, 120, 40, true, "relu", 1],
  [3, 240, 80, false, "hswish", 2],
  [3, 200, 80, false, "hswish", 1],
  [3, 184, 80, false, "hswish", 1],
  [3, 184, 80, false, "hswish", 1],
  [3, 480, 112, true, "hswish", 1],
  [3, 672, 112, true, "hswish", 1],
  [5, 672, 160, true, "hswish", 2],
  [5, 960, 160, true, "hswish", 1],
  [5, 960, 160, true, "hswish", 1],
] as const;

export function mobileNetV3(size = 224): Graph {
  const net = buildNet("mobilenet_v3_large");
  const { op } = net;
  const conv = (v: Value, attrs: Attrs, path: string): Value => op("conv", v, { bias: true, ...attrs }, path);
  let x = net.input("image", "N", 3, size, size);
  x = op("hswish", conv(x, { out: 16, kernel: 3, stride: 2 }, "stem"), {}, "stem.act");
  for (const [i, [kernel, wide, out, gated, act, stride]] of MOBILE.entries()) {
    const input = x;
    const path = `block${i}`;
    if (wide !== channelsOf(x)) x = op(act, conv(x, { out: wide, kernel: 1 }, `${path}.expand`), {}, `${path}.act1`);
    x = op(act, conv(x, { out: wide, kernel, stride, groups: wide }, `${path}.depthwise`), {}, `${path}.act2`);
    if (gated) x = se(net, x, { hidden: Math.ceil(wide / 32) * 8, gate: "hsigmoid6" }, `${path}.se`);
    x = conv(x, { out, kernel: 1 }, `${path}.project`);
    if (stride === 1 && channelsOf(input) === out) x = op("add", [x, input], {}, `${path}.add`);
  }
  x = op("hswish", conv(x, { out: 960, kernel: 1 }, "head"), {}, "head.act");
  x = op("flatten", op("gap", x, {}, "gap"), {}, "flatten");
  x = op("hswish", op("linear", x, { out: 1280 }, "fc1"), {}, "fc1.act");
  return net.finish(op("linear", x, { out: 1000 }, "fc2"));
}

/** U-Net: four levels, two 3x3 convolutions each, transposed convolutions up, joins by concat. */
export function unet(size = 256, width = 64): Graph {
  const net = buildNet("unet");
  const { op } = net;
  const pair = (v: Value, out: number, path: string): Value => {
    const first = op("relu", op("conv", v, { out, kernel: 3, bias: true }, `${path}.conv1`), {}, `${path}.relu1`);
    return op("relu", op("conv", first, { out, kernel: 3, bias: true }, `${path}.conv2`), {}, `${path}.relu2`);
  };
  let x = net.input("image", "N", 3, size, size);
  const skips: Value[] = [];
  for (let level = 0; level < 4; level++) {
    x = pair(x, width << level, `down${level}`);
    skips.push(x);
    x = op("maxpool", x, { kernel: 2 }, `pool${level}`);
  }
  x = pair(x, width << 4, "middle");
  for (let level = 3; level >= 0; level--) {
    x = op("deconv", x, { out: width << level, kernel: 2, stride: 2, bias: true }, `up${level}`);
    x = op("concat", [x, skips[level] as Value], {}, `join${level}`);
    x = pair(x, width << level, `up${level}.pair`);
  }
  return net.finish(op("conv", x, { out: 2, kernel: 1, bias: true }, "head"));
}
