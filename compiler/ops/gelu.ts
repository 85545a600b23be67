import * as z from "zod";
import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";
import { erf, erfExpr } from "./erf.ts";

const CUBE = 0.044715;

export const gelu = elementwise({
  summary: "x times the normal distribution function of x",
  attrs: () =>
    z.strictObject({
      approx: z.enum(["erf", "tanh"]).default("erf").meta({ description: '"erf" is exact; "tanh" is the original approximation' }),
    }),
  value: (v, { approx }) => {
    if (approx === "erf") return 0.5 * v * (1 + erf(v / Math.SQRT2));
    return 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + CUBE * v ** 3)));
  },
  kernel: (v, { approx }) => {
    const half = x.mul(v, 0.5);
    if (approx === "erf") return x.mul(half, x.add(erfExpr(x.mul(v, Math.SQRT1_2)), 1));
    const inner = x.mul(x.mul(v, x.add(x.mul(x.mul(v, v), CUBE), 1)), Math.sqrt(2 / Math.PI));
    return x.mul(half, x.add(x.tanh(inner), 1));
  },
  bound: { kind: "ulps", ulps: 8, scaled: true },
  samples: [
    { name: "erf", inputs: [[2, 3, 5, 7]], attrs: {}, range: [-6, 6] },
    { name: "erf, far out", inputs: [[4, 9]], attrs: {}, range: [-50, 50] },
    { name: "tanh", inputs: [[2, 3, 5, 7]], attrs: { approx: "tanh" }, range: [-6, 6] },
  ],
});
