/** What interval an elementwise layer maps an interval to: proves that a gate cannot be negative. */
import type { Node } from "../../ir/graph.ts";

export interface Interval {
  readonly low: number;
  readonly high: number;
}

const monotone =
  (f: (v: number) => number) =>
  ({ low, high }: Interval): Interval => ({ low: f(low), high: f(high) });

const clip = (min: number, max: number) => monotone((v) => Math.min(Math.max(v, min), max));

/** Of a continuous f with its least value `least` at `at`, growing to both sides. */
const valley =
  (f: (v: number) => number, at: number, least: number) =>
  ({ low, high }: Interval): Interval => ({
    low: low <= at && at <= high ? least : Math.min(f(low), f(high)),
    high: Math.max(f(low), f(high)),
  });

const number = (node: Node, name: string): number => Number(node.attrs[name]);

/** 0 times infinity: an unbounded input times nothing is nothing. */
const times = (v: number, k: number): number => (k === 0 ? 0 : v * k);

const rules: Readonly<Record<string, (range: Interval, node: Node) => Interval>> = {
  relu: clip(0, Number.POSITIVE_INFINITY),
  relu6: clip(0, 6),
  sigmoid: monotone((v) => 1 / (1 + Math.exp(-v))),
  hsigmoid6: monotone((v) => Math.min(Math.max(v + 3, 0), 6) / 6),
  hsigmoid5: monotone((v) => Math.min(Math.max(0.2 * v + 0.5, 0), 1)),
  tanh: monotone(Math.tanh),
  softplus: monotone((v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))),
  sqrt: ({ high }) => ({ low: 0, high: Math.sqrt(Math.max(high, 0)) }),
  square: valley((v) => v * v, 0, 0),
  abs: valley(Math.abs, 0, 0),
  silu: ({ high }) => ({ low: -0.2785, high: Math.max(high, 0) }),
  hswish: ({ high }) => ({ low: -0.375, high: Math.max(high, 0) }),
  mish: ({ high }) => ({ low: -0.3089, high: Math.max(high, 0) }),
  gelu: ({ high }) => ({ low: -0.1701, high: Math.max(high, 0) }),
  elu: ({ low, high }, node) => ({ low: low < 0 ? -Math.abs(number(node, "alpha")) : low, high }),
  leaky_relu: ({ low, high }, node) => {
    const f = (v: number): number => (v < 0 ? times(v, number(node, "slope")) : v);
    return { low: Math.min(f(low), f(high), 0), high: Math.max(f(low), f(high)) };
  },
  times: ({ low, high }, node) => {
    const ends = [times(low, number(node, "k")), times(high, number(node, "k"))];
    return { low: Math.min(...ends), high: Math.max(...ends) };
  },
  plus: ({ low, high }, node) => ({ low: low + number(node, "k"), high: high + number(node, "k") }),
  clip: (range, node) => clip(number(node, "min"), number(node, "max"))(range),
};

const table: ReadonlyMap<string, (range: Interval, node: Node) => Interval> = new Map(Object.entries(rules));

/** Values of the layer's output for inputs in `range`; undefined for layers that do not treat each element by itself. */
export function rangeAfter(node: Node, range: Interval): Interval | undefined {
  return table.get(node.op)?.(range, node);
}
