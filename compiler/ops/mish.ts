import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";
import { softplusOf } from "./softplus.ts";

/** tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2) with e = exp(x): no logarithm, no cancellation; above 20 it is 1 in f32. */
export const mish = elementwise({
  summary: "x * tanh(softplus(x))",
  attrs: noAttrs,
  value: (v) => v * Math.tanh(softplusOf(v)),
  kernel: (v) => {
    const e = x.exp(x.min(v, 20));
    const n = x.mul(e, x.add(e, 2));
    return x.mul(v, x.div(n, x.add(n, 2)));
  },
  bound: { kind: "ulps", ulps: 8, scaled: true },
  range: [-30, 30],
});
