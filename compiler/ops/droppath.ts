import * as z from "zod";
import { elementwise } from "./activation.ts";

export const droppath = elementwise({
  summary: "nothing at inference; in training, drops the value of whole images",
  category: "other",
  attrs: () => z.strictObject({ p: z.number().min(0).max(1).meta({ description: "probability of dropping an image's value" }) }),
  value: (v) => v,
  kernel: (v) => v,
  bound: { kind: "exact" },
  samples: [{ name: "map", inputs: [[2, 3, 5, 7]], attrs: { p: 0.2 } }],
});
