import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const relu = elementwise({
  summary: "max(x, 0)",
  attrs: noAttrs,
  value: (v) => Math.max(v, 0),
  kernel: (v) => x.max(v, 0),
  bound: { kind: "exact" },
});
