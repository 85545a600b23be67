import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const sqrt = elementwise({
  summary: "square root",
  category: "elementwise",
  attrs: noAttrs,
  value: Math.sqrt,
  kernel: (v) => x.sqrt(v),
  bound: { kind: "ulps", ulps: 3, relative: true },
  range: [0.01, 9],
});
