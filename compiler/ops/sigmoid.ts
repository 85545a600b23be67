import * as x from "../ir/expr.ts";
import type { Expr } from "../ir/kernel.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

/** 1 + e^-x. Below -87 e^-x leaves f32, and WGSL promises nothing about infinities; there the sigmoid is under 1e-37 anyway. */
export const onePlusExpNeg = (v: Expr): Expr => x.add(x.constant(1), x.exp(x.neg(x.max(v, -87))));

export const sigmoidOf = (v: number): number => 1 / (1 + Math.exp(-v));

export const sigmoid = elementwise({
  summary: "1 / (1 + exp(-x))",
  attrs: noAttrs,
  value: sigmoidOf,
  kernel: (v) => x.div(x.constant(1), onePlusExpNeg(v)),
  bound: { kind: "ulps", ulps: 4 },
  range: [-20, 20],
});
