import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const identity = elementwise({
  summary: "nothing: the value as it is",
  category: "other",
  attrs: noAttrs,
  value: (v) => v,
  kernel: (v) => v,
  bound: { kind: "exact" },
});
