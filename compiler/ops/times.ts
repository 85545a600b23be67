import * as z from "zod";
import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";

export const times = elementwise({
  summary: "x * k",
  category: "elementwise",
  attrs: () => z.strictObject({ k: z.number().meta({ description: "factor" }) }),
  value: (v, { k }) => v * k,
  kernel: (v, { k }) => x.mul(v, k),
  bound: { kind: "rounding" },
  samples: [
    { name: "map", inputs: [[2, 3, 5, 7]], attrs: { k: 0.17 } },
    { name: "vector", inputs: [[2, 7]], attrs: { k: -3 } },
  ],
});
