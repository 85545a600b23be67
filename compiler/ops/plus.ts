import * as z from "zod";
import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";

export const plus = elementwise({
  summary: "x + k",
  category: "elementwise",
  attrs: () => z.strictObject({ k: z.number().meta({ description: "what is added" }) }),
  // the addend is an f32 constant on every target; when the sum cancels, its rounding would exceed the bound
  value: (v, { k }) => v + Math.fround(k),
  kernel: (v, { k }) => x.add(v, k),
  bound: { kind: "rounding" },
  samples: [
    { name: "map", inputs: [[2, 3, 5, 7]], attrs: { k: 1.1 } },
    { name: "vector", inputs: [[2, 7]], attrs: { k: -3 } },
  ],
});
