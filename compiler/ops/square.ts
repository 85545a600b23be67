import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const square = elementwise({
  summary: "x * x",
  category: "elementwise",
  attrs: noAttrs,
  value: (v) => v * v,
  kernel: (v) => x.mul(v, v),
  bound: { kind: "rounding" },
});
