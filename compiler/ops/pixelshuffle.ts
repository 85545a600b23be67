import * as z from "zod";
import * as x from "../ir/expr.ts";
import { f32 } from "../ir/type.ts";
import { count } from "./attributes.ts";
import { moveKernel } from "./kernels.ts";
import { defineOp } from "./op.ts";
import { batchOf, channels, notMap, notSplit, spatial } from "./shape.ts";
import { gather } from "./tensor.ts";

export const pixelshuffle = defineOp({
  summary: "runs of factor^2 channels become blocks of factor x factor pixels",
  category: "moving",
  attrs: () => z.strictObject({ factor: count.meta({ description: "how much higher and wider the map becomes" }) }),
  arity: 1,
  infer: ([input], { factor }) => {
    const wrong = notMap("pixelshuffle", input!) ?? notSplit("pixelshuffle", input!, factor ** 2, "factor");
    if (wrong) return wrong;
    const [h, w] = spatial(input!);
    return f32(batchOf(input!), channels(input!) / factor ** 2, h * factor, w * factor);
  },
  cost: () => ({ macs: 0, elementOps: 0 }),
  reference: ([input], _weights, { factor }) => {
    const [n = 1, c = 1, h = 1, w = 1] = input!.shape;
    return gather(input!, [n, c / factor ** 2, h * factor, w * factor], ([image, channel, y, column], at) => {
      at[0] = image!;
      at[1] = channel! * factor ** 2 + (y! % factor) * factor + (column! % factor);
      at[2] = Math.floor(y! / factor);
      at[3] = Math.floor(column! / factor);
    });
  },
  lower: ({ name, inputs, output, attrs: { factor } }) => [
    moveKernel(name, inputs[0]!, output, (n, c, y, column) => [
      n!,
      x.add(x.add(x.mul(c!, factor ** 2), x.mul(x.imod(y!, factor), factor)), x.imod(column!, factor)),
      x.idiv(y!, factor),
      x.idiv(column!, factor),
    ]),
  ],
  bound: { kind: "exact" },
  samples: [
    { name: "factor 2", inputs: [[2, 12, 3, 5]], attrs: { factor: 2 } },
    { name: "factor 3 to one channel", inputs: [[1, 9, 2, 2]], attrs: { factor: 3 } },
  ],
});
