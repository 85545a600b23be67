import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const recip = elementwise({
  summary: "1 / x",
  category: "elementwise",
  attrs: noAttrs,
  value: (v) => 1 / v,
  kernel: (v) => x.div(x.constant(1), v),
  bound: { kind: "ulps", ulps: 3, relative: true },
  range: [0.1, 4],
});
