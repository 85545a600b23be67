import * as x from "../ir/expr.ts";
import type { Expr } from "../ir/kernel.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const hsigmoid6Of = (v: number): number => Math.min(Math.max(v + 3, 0), 6) / 6;

/** Times 1/6, not divided by 6: f32(1/6) * 3 and * 6 still round to exactly 0.5 and 1, and `init preserve` needs the first. */
export const hsigmoid6Expr = (v: Expr): Expr => x.mul(x.min(x.max(x.add(v, 3), 0), 6), 1 / 6);

export const hsigmoid6 = elementwise({
  summary: "relu6(x + 3) / 6, slope 1/6: PyTorch, MobileNetV3, Keras 3",
  attrs: noAttrs,
  value: hsigmoid6Of,
  kernel: hsigmoid6Expr,
  bound: { kind: "ulps", ulps: 2 },
  range: [-5, 5],
});
