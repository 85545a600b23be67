import * as z from "zod";
import { elementwise } from "./activation.ts";

export const dropout = elementwise({
  summary: "nothing at inference; in training, drops single values",
  category: "other",
  attrs: () => z.strictObject({ p: z.number().min(0).max(1).default(0.5).meta({ description: "probability of dropping a value" }) }),
  value: (v) => v,
  kernel: (v) => v,
  bound: { kind: "exact" },
});
