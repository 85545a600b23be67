import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const abs = elementwise({
  summary: "absolute value",
  category: "elementwise",
  attrs: noAttrs,
  value: Math.abs,
  kernel: (v) => x.abs(v),
  bound: { kind: "exact" },
});
