import * as z from "zod";
import { messages } from "../diagnostics/messages.gen.ts";
import * as x from "../ir/expr.ts";
import { f32, shapeText } from "../ir/type.ts";
import { count } from "./attributes.ts";
import { moveKernel } from "./kernels.ts";
import { defineOp } from "./op.ts";
import { batchOf, channels, notMap, spatial } from "./shape.ts";
import { gather } from "./tensor.ts";

export const pixelunshuffle = defineOp({
  summary: "blocks of factor x factor pixels become runs of factor^2 channels: space to depth",
  category: "moving",
  attrs: () => z.strictObject({ factor: count.meta({ description: "how much lower and narrower the map becomes" }) }),
  arity: 1,
  infer: ([input], { factor }) => {
    const wrong = notMap("pixelunshuffle", input!);
    if (wrong) return wrong;
    const [height, width] = spatial(input!);
    if (height % factor !== 0 || width % factor !== 0) {
      const shape = shapeText(input!.shape);
      return { problem: messages.SE206.shuffle({ layer: "pixelunshuffle", factor, shape, height, width }), arg: "factor" };
    }
    return f32(batchOf(input!), channels(input!) * factor ** 2, height / factor, width / factor);
  },
  cost: () => ({ macs: 0, elementOps: 0 }),
  reference: ([input], _weights, { factor }) => {
    const [n = 1, c = 1, h = 1, w = 1] = input!.shape;
    return gather(input!, [n, c * factor ** 2, h / factor, w / factor], ([image, channel, y, column], at) => {
      const inBlock = channel! % factor ** 2;
      at[0] = image!;
      at[1] = Math.floor(channel! / factor ** 2);
      at[2] = y! * factor + Math.floor(inBlock / factor);
      at[3] = column! * factor + (inBlock % factor);
    });
  },
  lower: ({ name, inputs, output, attrs: { factor } }) => [
    moveKernel(name, inputs[0]!, output, (n, c, y, column) => {
      const inBlock = x.imod(c!, factor ** 2);
      return [
        n!,
        x.idiv(c!, factor ** 2),
        x.add(x.mul(y!, factor), x.idiv(inBlock, factor)),
        x.add(x.mul(column!, factor), x.imod(inBlock, factor)),
      ];
    }),
  ],
  bound: { kind: "exact" },
  samples: [
    { name: "factor 2", inputs: [[2, 3, 6, 4]], attrs: { factor: 2 } },
    { name: "factor 3", inputs: [[1, 2, 3, 9]], attrs: { factor: 3 } },
  ],
});
