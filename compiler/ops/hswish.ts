import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";
import { hsigmoid6Expr, hsigmoid6Of } from "./hsigmoid6.ts";

export const hswish = elementwise({
  summary: "x * hsigmoid6(x)",
  attrs: noAttrs,
  value: (v) => v * hsigmoid6Of(v),
  kernel: (v) => x.mul(v, hsigmoid6Expr(v)),
  bound: { kind: "ulps", ulps: 2, scaled: true },
  range: [-5, 5],
});
