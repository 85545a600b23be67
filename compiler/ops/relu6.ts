import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const relu6 = elementwise({
  summary: "min(max(x, 0), 6)",
  attrs: noAttrs,
  value: (v) => Math.min(Math.max(v, 0), 6),
  kernel: (v) => x.min(x.max(v, 0), 6),
  bound: { kind: "exact" },
  range: [-4, 9],
});
