import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const softplusOf = (v: number): number => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));

export const softplus = elementwise({
  summary: "log(1 + exp(x))",
  attrs: noAttrs,
  value: softplusOf,
  kernel: (v) => x.add(x.max(v, 0), x.log(x.add(x.exp(x.neg(x.abs(v))), 1))),
  bound: { kind: "ulps", ulps: 8, scaled: true },
  range: [-30, 30],
});
