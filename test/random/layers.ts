/** The layers that random nets are made of: what people write, and what passes and kernels treat specially. */

import type { Attrs, Value } from "../../compiler/ir/graph.ts";
import { numel } from "../../compiler/ir/type.ts";
import { allOps } from "../../compiler/ops/index.ts";
import type { Draw } from "./draw.ts";

export interface Growing {
  /** The layer's value, or undefined where it does not fit. */
  readonly op: (name: string, inputs: Value | readonly Value[], attrs?: Attrs) => Value | undefined;
  /** An earlier value, mostly the newest. */
  readonly earlier: (draw: Draw) => Value;
}

type Layer = (net: Growing, x: Value, draw: Draw) => Value | undefined;

/** One lane, less and more than a vector, whole tiles and their tails, primes. */
const CHANNELS = [1, 2, 3, 4, 5, 6, 8, 8, 12, 16, 16, 17, 20, 24, 32, 40, 64];
const ACTIVATIONS = [...allOps()].filter(([, op]) => op.category === "activation").map(([name]) => name);

/** Not from samples: their values may be infinite on any input, or they have a layer of their own below. */
const OWN = new Set(["recip", "rsqrt", "sqrt", "square", "linear", "flatten", "reshape", "concat", "add", "mul"]);

const sizes = (x: Value): readonly number[] => x.type.shape.slice(1) as number[];
const channels = (x: Value): number => sizes(x)[0] as number;
const isMap = (x: Value): boolean => x.type.shape.length === 4;
const pixels = (x: Value): number => numel(sizes(x).slice(1));
const divisors = (n: number, list: readonly number[]): number[] => list.filter((d) => n % d === 0);

const activated = (net: Growing, x: Value | undefined, draw: Draw): Value | undefined =>
  x && (net.op(draw.from(["identity", "relu", "relu", "relu6", "hswish", "silu", "sigmoid", "leaky_relu"]), x) ?? x);

/** What a pass folds into a convolution, or not. */
function dressed(net: Growing, x: Value | undefined, draw: Draw): Value | undefined {
  const normed = x && draw.chance(0.6) ? (net.op("bn", x, { affine: draw.chance(0.8) }) ?? x) : x;
  return draw.chance(0.6) ? activated(net, normed, draw) : normed;
}

const conv: Layer = (net, x, draw) =>
  dressed(
    net,
    net.op("conv", x, {
      out: draw.from(CHANNELS),
      kernel: draw.from([1, 2, 3, 3, 5, 7, [1, 3], [3, 1], [1, 7], [2, 3]]),
      stride: draw.from([1, 1, 1, 2, 2, 3, [2, 1], [1, 2]]),
      pad: draw.from(["half", "half", 0, 1, "same", [0, 1], [1, 0, 0, 1], [0, 0, 1, 1]]),
      dilation: draw.from([1, 1, 1, 2, [1, 2]]),
      bias: draw.chance(0.5),
    }),
    draw,
  );

const plainConv =
  (kernel: number): Layer =>
  (net, x, draw) =>
    dressed(net, net.op("conv", x, { out: draw.from(CHANNELS), kernel, stride: draw.from([1, 1, 1, 2]), bias: draw.chance(0.5) }), draw);

const depthwise: Layer = (net, x, draw) => {
  const groups = channels(x);
  const attrs = {
    out: groups * draw.from([1, 1, 1, 1, 2, 3]),
    kernel: draw.from([1, 2, 3, 3, 3, 5, 5, 7, [3, 5]]),
    groups,
    stride: draw.from([1, 1, 2, [1, 2]]),
    pad: draw.from(["half", "half", 0, "same", [1, 0, 0, 1]]),
    dilation: draw.from([1, 1, 1, 2]),
    bias: draw.chance(0.5),
  };
  return dressed(net, net.op("conv", x, attrs), draw);
};

const grouped: Layer = (net, x, draw) => {
  const groups = draw.from(divisors(channels(x), [1, 2, 3, 4, 5, 8, 16, 20, 32]));
  const out = groups * draw.from([1, 2, 3, 4, 6, 8]);
  const attrs = { out, kernel: draw.from([1, 3, 3, 5]), groups, stride: draw.from([1, 1, 2]), bias: draw.chance(0.5) };
  return dressed(net, net.op("conv", x, attrs), draw);
};

const deconv: Layer = (net, x, draw) => {
  if (!isMap(x) || pixels(x) > 150) return undefined;
  const attrs = {
    out: draw.from(CHANNELS),
    kernel: draw.from([1, 2, 3, 4, [2, 3]]),
    stride: draw.from([1, 2, 2, 3, [2, 1]]),
    pad: draw.from([0, 0, 1]),
    groups: draw.from([1, 1, 1, 2]),
    bias: draw.chance(0.5),
  };
  return dressed(net, net.op("deconv", x, attrs), draw);
};

/** A gate per channel in the forms that people write, sometimes read by a convolution at once. */
const excitation: Layer = (net, x, draw) => {
  if (!isMap(x)) return undefined;
  const squeezed = draw.chance(0.7) ? net.op("gap", x) : draw.chance(0.5) ? net.op("gmp", x) : net.op("avgpool_to", x, { size: 1 });
  const hidden = squeezed && net.op("conv", squeezed, { out: draw.from([1, 2, 3, 4, 7, 8]), kernel: 1, bias: draw.chance(0.6) });
  const inside = activated(net, hidden, draw);
  const wide = inside && net.op("conv", inside, { out: channels(x), kernel: 1, bias: draw.chance(0.6) });
  const gate = wide && net.op(draw.from(["sigmoid", "hsigmoid6", "hsigmoid5", "tanh"]), wide);
  const scaled = gate && net.op("mul", draw.chance(0.5) ? [x, gate] : [gate, x]);
  return scaled && draw.chance(0.4) ? net.op("conv", scaled, { out: draw.from(CHANNELS), kernel: draw.from([1, 3]) }) : scaled;
};

const spatialGate: Layer = (net, x, draw) => {
  const plane = isMap(x) ? net.op(draw.from(["chanmean", "chanmax"]), x) : undefined;
  const mixed = plane && net.op("conv", plane, { out: 1, kernel: 3 });
  const gate = mixed && net.op("sigmoid", mixed);
  return gate && net.op("mul", [x, gate]);
};

const residual: Layer = (net, x, draw) => {
  const first = isMap(x) ? net.op("conv", x, { out: channels(x), kernel: draw.from([1, 3]) }) : undefined;
  const normed = first && net.op("bn", first);
  const main =
    normed && draw.chance(0.5) ? net.op("conv", activated(net, normed, draw) ?? normed, { out: channels(x), kernel: 3 }) : normed;
  const sum = main && net.op("add", draw.chance(0.5) ? [main, x] : [x, main]);
  return draw.chance(0.7) ? activated(net, sum, draw) : sum;
};

const concat: Layer = (net, x, draw) => {
  const fits = (y: Value): boolean => isMap(y) && sizes(y).slice(1).join() === sizes(x).slice(1).join();
  const others = [net.earlier(draw), net.earlier(draw)].slice(0, draw.from([1, 1, 2])).filter(fits);
  if (!isMap(x) || others.length === 0) return undefined;
  const out = draw.from([3, 4, 8, 16]);
  const parts = [x, ...others].map((y) => (draw.chance(0.6) ? (net.op("conv", y, { out, kernel: draw.from([1, 3]) }) ?? y) : y));
  const joined = net.op("concat", parts);
  return joined && draw.chance(0.4) ? net.op("conv", joined, { out: draw.from(CHANNELS), kernel: 1 }) : joined;
};

const slice: Layer = (net, x, draw) => {
  const start = draw.from([0, 1, 2, 4].filter((n) => n < channels(x)));
  return net.op("slice", x, { start, stop: draw.from([start + 1, channels(x) - 1, channels(x)].filter((n) => n > start)) });
};

const pool: Layer = (net, x, draw) =>
  net.op(draw.from(["maxpool", "avgpool"]), x, {
    kernel: draw.from([2, 3, 3, [2, 3], 5]),
    stride: draw.from([1, 2, 2, 3]),
    pad: draw.from([0, 1, [0, 1]]),
    ceil: draw.chance(0.3),
  });

const upsample: Layer = (net, x, draw) => {
  const mode = draw.from(["nearest", "bilinear"]);
  const attrs = { scale: draw.from([2, 2, 3]), mode, align: mode === "bilinear" && draw.chance(0.3) };
  return isMap(x) && pixels(x) <= 80 ? net.op("upsample", x, attrs) : undefined;
};

/** A head, sometimes back to a map of one pixel. */
const head: Layer = (net, x, draw) => {
  const flat = isMap(x) && numel(sizes(x)) <= 4000 ? net.op("flatten", x) : undefined;
  const dense = flat && net.op("linear", flat, { out: draw.from([4, 10, 16, 24]), bias: draw.chance(0.7) });
  return dense && draw.chance(0.6) ? net.op("reshape", dense, { dims: [channels(dense), 1, 1] }) : dense;
};

const twoPools: Layer = (net, x) => {
  const [mean, top] = isMap(x) ? [net.op("gap", x), net.op("gmp", x)] : [];
  return mean && top && net.op("concat", [mean, top]);
};

/** Any op, with the attributes of one of its samples. */
const sample: Layer = (net, x, draw) => {
  const [name, op] = draw.from([...allOps()].filter(([n]) => !OWN.has(n)));
  const { inputs, attrs } = draw.from(op.samples);
  return inputs.length === 1 ? net.op(name, x, attrs as Attrs) : undefined;
};

/** A failing case is made smaller towards the first. */
export const layers: Readonly<Record<string, Layer>> = {
  relu: (net, x) => net.op("relu", x),
  conv1: plainConv(1),
  conv3: plainConv(3),
  conv,
  depthwise,
  grouped,
  deconv,
  bn: (net, x, draw) => net.op("bn", x, { affine: draw.chance(0.8) }),
  activation: (net, x, draw) => net.op(draw.from(ACTIVATIONS), x),
  add: (net, x, draw) => net.op("add", [x, net.earlier(draw)]),
  mul: (net, x, draw) => net.op("mul", [x, net.earlier(draw)]),
  residual,
  excitation,
  spatialGate,
  concat,
  slice,
  chanshuffle: (net, x, draw) => net.op("chanshuffle", x, { groups: draw.from(divisors(channels(x), [1, 2, 3, 4, 8])) }),
  pool,
  upsample,
  head,
  twoPools,
  sample,
};
