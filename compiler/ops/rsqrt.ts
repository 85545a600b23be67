import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const rsqrt = elementwise({
  summary: "1 / sqrt(x)",
  category: "elementwise",
  attrs: noAttrs,
  value: (v) => 1 / Math.sqrt(v),
  kernel: (v) => x.rsqrt(v),
  bound: { kind: "ulps", ulps: 3, relative: true },
  range: [0.01, 9],
});
