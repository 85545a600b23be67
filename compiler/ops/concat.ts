import * as z from "zod";
import { messages } from "../diagnostics/messages.gen.ts";
import * as x from "../ir/expr.ts";
import { f32, shapeText } from "../ir/type.ts";
import { axesOf, coordinates, loopKernel } from "./kernels.ts";
import { defineOp, type Tensor } from "./op.ts";
import { notMap } from "./shape.ts";
import { zeros } from "./tensor.ts";

const AXES = { c: 1, h: 2, w: 3 } as const;

/** Copies every input in runs of everything from `axis` inwards. */
function join(inputs: readonly Tensor[], axis: number): Tensor {
  const first = inputs[0]!;
  const shape = first.shape.map((d, i) => (i === axis ? inputs.reduce((n, t) => n + t.shape[axis]!, 0) : d));
  const output = zeros(shape);
  const outer = first.shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const runs = inputs.map((t) => t.data.length / outer);
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (const [i, t] of inputs.entries()) {
      output.data.set(t.data.subarray(o * runs[i]!, (o + 1) * runs[i]!), at);
      at += runs[i]!;
    }
  return output;
}

export const concat = defineOp({
  summary: "the branches side by side along an axis",
  category: "merge",
  attrs: () => z.strictObject({ axis: z.enum(["c", "h", "w"]).default("c").meta({ description: "the axis that grows" }) }),
  arity: "many",
  infer: (inputs, a) => {
    const first = inputs[0]!;
    const axis = AXES[a.axis];
    const wrong = axis > 1 ? inputs.map((t) => notMap("concat", t)).find((p) => p) : undefined;
    if (wrong) return wrong;
    let total = 0;
    for (const t of inputs) {
      const fits = t.shape.length === first.shape.length && t.shape.every((d, i) => i === axis || d === first.shape[i]);
      if (!fits) return { problem: messages.SE201.concat({ axis: a.axis, first: shapeText(first.shape), second: shapeText(t.shape) }) };
      total += t.shape[axis] as number;
    }
    return f32(...first.shape.map((d, i) => (i === axis ? total : d)));
  },
  cost: () => ({ macs: 0, elementOps: 0 }),
  reference: (inputs, _weights, a) => join(inputs, AXES[a.axis]),
  lower: ({ name, inputs, output, attrs }) => {
    const axis = AXES[attrs.axis];
    let offset = 0;
    return inputs.map((input, i) => {
      const space = axesOf(input);
      const here = coordinates(space);
      const store = here.map((e, k) => (k === axis ? x.add(e, offset) : e));
      offset += input.type.shape[axis] as number;
      return loopKernel({ name: inputs.length > 1 ? `${name}.${i}` : name, reads: [input], output, space, store, body: x.load(0, here) });
    });
  },
  bound: { kind: "exact" },
  samples: [
    {
      name: "channels, odd counts",
      inputs: [
        [2, 3, 5, 4],
        [2, 5, 5, 4],
        [2, 1, 5, 4],
      ],
      attrs: {},
    },
    {
      name: "rows",
      inputs: [
        [1, 3, 2, 4],
        [1, 3, 5, 4],
      ],
      attrs: { axis: "h" },
    },
    {
      name: "columns",
      inputs: [
        [1, 3, 5, 2],
        [1, 3, 5, 4],
      ],
      attrs: { axis: "w" },
    },
    {
      name: "vectors",
      inputs: [
        [3, 4],
        [3, 7],
      ],
      attrs: {},
    },
    { name: "a single branch", inputs: [[1, 4, 3, 3]], attrs: {} },
  ],
});
