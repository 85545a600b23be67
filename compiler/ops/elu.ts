import * as z from "zod";
import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";

export const elu = elementwise({
  summary: "x where x > 0, else alpha * (exp(x) - 1)",
  attrs: () => z.strictObject({ alpha: z.number().default(1).meta({ description: "limit at minus infinity, with its sign changed" }) }),
  value: (v, { alpha }) => (v < 0 ? alpha * Math.expm1(v) : v),
  kernel: (v, { alpha }) => x.select(x.lt(v, 0), x.mul(x.sub(x.exp(x.min(v, 0)), 1), alpha), v),
  bound: { kind: "ulps", ulps: 8, scaled: true },
  samples: [
    { name: "default", inputs: [[2, 3, 5, 7]], attrs: {}, range: [-10, 10] },
    { name: "alpha 0.5, vector", inputs: [[2, 7]], attrs: { alpha: 0.5 } },
  ],
});
