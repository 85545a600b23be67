import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const tanh = elementwise({
  summary: "hyperbolic tangent",
  attrs: noAttrs,
  value: Math.tanh,
  kernel: (v) => x.tanh(v),
  bound: { kind: "ulps", ulps: 8 },
  range: [-20, 20],
});
