import * as z from "zod";
import * as x from "../ir/expr.ts";
import { elementwise } from "./activation.ts";

export const leaky_relu = elementwise({
  summary: "x where x > 0, else slope * x",
  attrs: () => z.strictObject({ slope: z.number().default(0.01).meta({ description: "factor of negative values" }) }),
  value: (v, { slope }) => (v < 0 ? slope * v : v),
  kernel: (v, { slope }) => x.select(x.lt(v, 0), x.mul(v, slope), v),
  bound: { kind: "rounding" },
  samples: [
    { name: "default slope", inputs: [[2, 3, 5, 7]], attrs: {} },
    { name: "slope 0.2, vector", inputs: [[2, 7]], attrs: { slope: 0.2 } },
  ],
});
