import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";
import { onePlusExpNeg, sigmoidOf } from "./sigmoid.ts";

export const silu = elementwise({
  summary: "x * sigmoid(x), also called swish",
  attrs: noAttrs,
  value: (v) => v * sigmoidOf(v),
  kernel: (v) => x.div(v, onePlusExpNeg(v)),
  bound: { kind: "ulps", ulps: 4, scaled: true },
  range: [-20, 20],
});
