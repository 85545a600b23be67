import * as z from "zod";
import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";

export const clip = elementwise({
  summary: "the value, but not below min and not above max",
  category: "elementwise",
  attrs: () =>
    z.strictObject({
      min: z.number().meta({ description: "lower limit" }),
      max: z.number().meta({ description: "upper limit" }),
    }),
  // limits are f32 constants on every target, and the bound is 0
  value: (v, { min, max }) => Math.min(Math.max(v, Math.fround(min)), Math.fround(max)),
  kernel: (v, { min, max }) => x.min(x.max(v, min), max),
  bound: { kind: "exact" },
  samples: [
    { name: "map", inputs: [[2, 3, 5, 7]], attrs: { min: -0.7, max: 1.1 } },
    { name: "vector, one side", inputs: [[2, 7]], attrs: { min: 0, max: 100 } },
  ],
});
