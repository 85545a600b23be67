import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { noAttrs } from "./attributes.ts";

export const hsigmoid5 = elementwise({
  summary: "clip(0.2 * x + 0.5, 0, 1), slope 1/5: ONNX's default, old Keras, TensorFlow.js layers",
  attrs: noAttrs,
  value: (v) => Math.min(Math.max(0.2 * v + 0.5, 0), 1),
  kernel: (v) => x.min(x.max(x.add(x.mul(v, 0.2), 0.5), 0), 1),
  bound: { kind: "ulps", ulps: 2 },
  range: [-5, 5],
});
