import { f32 } from "../ir/type.ts";
import { noAttrs } from "./attributes.ts";
import { moveKernel } from "./kernels.ts";
import { defineOp } from "./op.ts";
import { batchOf, channels, notMap, spatial } from "./shape.ts";
import { gather } from "./tensor.ts";

export const swaphw = defineOp({
  summary: "exchanges height and width",
  category: "moving",
  attrs: noAttrs,
  arity: 1,
  infer: ([input]) => {
    const wrong = notMap("swaphw", input!);
    if (wrong) return wrong;
    const [h, w] = spatial(input!);
    return f32(batchOf(input!), channels(input!), w, h);
  },
  cost: () => ({ macs: 0, elementOps: 0 }),
  reference: ([input]) => {
    const [n = 1, c = 1, h = 1, w = 1] = input!.shape;
    return gather(input!, [n, c, w, h], ([image, channel, y, x], at) => {
      at[0] = image!;
      at[1] = channel!;
      at[2] = x!;
      at[3] = y!;
    });
  },
  lower: ({ name, inputs, output }) => [moveKernel(name, inputs[0]!, output, (n, c, y, x) => [n!, c!, x!, y!])],
  bound: { kind: "exact" },
  samples: [
    { name: "odd map", inputs: [[2, 5, 3, 7]], attrs: {} },
    { name: "one row", inputs: [[1, 4, 1, 5]], attrs: {} },
  ],
});
