import * as z from "zod";
import { messages } from "../diagnostics/messages.gen.ts";
import * as x from "../ir/expr.ts";
import { f32 } from "../ir/type.ts";
import { moveKernel } from "./kernels.ts";
import { defineOp } from "./op.ts";
import { notMap } from "./shape.ts";
import { gather } from "./tensor.ts";

const AXES = { c: 1, h: 2, w: 3 } as const;
const WORDS = { c: "channels", h: "rows", w: "columns" } as const;

export const slice = defineOp({
  summary: "a run of channels, rows or columns",
  category: "moving",
  attrs: () =>
    z.strictObject({
      start: z.number().int().meta({ description: "first index, from 0" }),
      stop: z.number().int().meta({ description: "first index that is left out" }),
      axis: z.enum(["c", "h", "w"]).default("c").meta({ description: "channels, rows or columns" }),
    }),
  arity: 1,
  infer: ([input], { start, stop, axis }) => {
    const wrong = axis === "c" ? undefined : notMap("slice", input!);
    if (wrong) return wrong;
    const size = input!.shape[AXES[axis]] as number;
    if (start < 0 || start >= stop || stop > size)
      return { problem: messages.SE206.slice({ start, stop, size, axis: WORDS[axis] }), arg: stop > size ? "stop" : "start" };
    return f32(...input!.shape.map((d, i) => (i === AXES[axis] ? stop - start : d)));
  },
  cost: () => ({ macs: 0, elementOps: 0 }),
  reference: ([input], _weights, { start, stop, axis }) =>
    gather(
      input!,
      input!.shape.map((d, i) => (i === AXES[axis] ? stop - start : d)),
      (out, at) => {
        for (const [i, v] of out.entries()) at[i] = i === AXES[axis] ? v + start : v;
      },
    ),
  lower: ({ name, inputs, output, attrs: { start, axis } }) => [
    moveKernel(name, inputs[0]!, output, (...out) => out.map((e, i) => (i === AXES[axis] ? x.add(e, start) : e))),
  ],
  bound: { kind: "exact" },
  samples: [
    { name: "channels", inputs: [[2, 7, 3, 5]], attrs: { start: 3, stop: 6 } },
    { name: "rows", inputs: [[1, 3, 5, 4]], attrs: { start: 0, stop: 2, axis: "h" } },
    { name: "columns", inputs: [[1, 3, 5, 4]], attrs: { start: 1, stop: 4, axis: "w" } },
    { name: "features", inputs: [[3, 9]], attrs: { start: 8, stop: 9 } },
  ],
});
