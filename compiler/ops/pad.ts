import * as z from "zod";
import { messages } from "../diagnostics/messages.gen.ts";
import * as x from "../ir/expr.ts";
import type { Expr } from "../ir/kernel.ts";
import { f32 } from "../ir/type.ts";
import { amounts } from "./attributes.ts";
import { axesOf, coordinates, loopKernel } from "./kernels.ts";
import { defineOp, type Problem } from "./op.ts";
import { notMap } from "./shape.ts";
import { elements, zeros } from "./tensor.ts";

type Mode = "constant" | "reflect" | "edge";

interface PadAttrs {
  readonly amount: number | readonly number[];
  readonly axis: "hw" | "c";
  readonly mode: Mode;
  readonly value: number;
}

/** [before, after] of every axis of a map. */
function sides(a: PadAttrs): readonly (readonly [number, number])[] {
  const [p = 0, q = 0, r = p, s = q] = typeof a.amount === "number" ? [a.amount, a.amount] : a.amount;
  if (a.axis === "c")
    return [
      [0, 0],
      [p, q],
      [0, 0],
      [0, 0],
    ];
  return [
    [0, 0],
    [0, 0],
    [p, r],
    [q, s],
  ];
}

/** Source of position `i` of an axis of `n`, before 0 and from n on outside; undefined is the constant. */
function sourceOf(i: number, n: number, mode: Mode): number | undefined {
  if (i >= 0 && i < n) return i;
  if (mode === "edge") return i < 0 ? 0 : n - 1;
  if (mode === "reflect") return i < 0 ? -i : 2 * (n - 1) - i;
  return undefined;
}

function sourceExpr(i: Expr, n: number, [before, after]: readonly [number, number], mode: Mode): Expr {
  if (mode === "edge") return x.max(x.min(i, n - 1), 0);
  const low = before > 0 ? x.select(x.lt(i, 0), x.sub(x.int(0), i), i) : i;
  return after > 0 ? x.select(x.lt(low, n), low, x.sub(x.int(2 * (n - 1)), low)) : low;
}

export const pad = defineOp({
  summary: "a border around the map, or before and after the channels",
  category: "moving",
  attrs: () =>
    z.strictObject({
      amount: amounts.meta({ description: 'a number, [h, w] or [top, left, bottom, right]; with axis="c" a number or [before, after]' }),
      value: z.number().default(0).meta({ description: "what a constant border holds" }),
      mode: z
        .enum(["constant", "reflect", "edge"])
        .default("constant")
        .meta({ description: '"constant", "reflect" (without the edge itself) or "edge"' }),
      axis: z.enum(["hw", "c"]).default("hw").meta({ description: '"hw" the map, "c" the channels' }),
    }),
  arity: 1,
  infer: ([input], a) => {
    const wrong = notMap("pad", input!);
    if (wrong) return wrong;
    if (a.axis === "c" && typeof a.amount !== "number" && a.amount.length === 4)
      return { problem: messages.SE206.channelpad({ amount: a.amount.join(", ") }), arg: "amount" };
    const reflected = sides(a)
      .map(([p, q], i): Problem | undefined => {
        const size = input!.shape[i] as number;
        const amount = Math.max(p, q);
        return amount > 0 && amount >= size ? { problem: messages.SE206.reflect({ amount, size }), arg: "amount" } : undefined;
      })
      .find((p) => p);
    if (a.mode === "reflect" && reflected) return reflected;
    const grown = sides(a);
    return f32(...input!.shape.map((d, i) => (typeof d === "number" ? d + grown[i]![0] + grown[i]![1] : d)));
  },
  cost: () => ({ macs: 0, elementOps: 0 }),
  reference: ([input], _weights, a) => {
    const grown = sides(a);
    const shape = input!.shape.map((d, i) => d + grown[i]![0] + grown[i]![1]);
    const output = zeros(shape);
    for (let i = 0; i < elements(shape); i++) {
      let rest = i;
      let flat: number | undefined = 0;
      let step = 1;
      for (let axis = 3; axis >= 0; axis--) {
        const n = input!.shape[axis]!;
        const source = sourceOf((rest % shape[axis]!) - grown[axis]![0], n, a.mode);
        flat = flat === undefined || source === undefined ? undefined : flat + source * step;
        rest = Math.floor(rest / shape[axis]!);
        step *= n;
      }
      output.data[i] = flat === undefined ? Math.fround(a.value) : input!.data[flat]!;
    }
    return output;
  },
  lower: ({ name, inputs, output, attrs }) => {
    const input = inputs[0]!;
    const grown = sides(attrs);
    const here = coordinates(axesOf(output)).map((e, i) => x.sub(e, grown[i]![0]));
    const size = (i: number): number => input.type.shape[i] as number;
    if (attrs.mode !== "constant") {
      const at = here.map((e, i) => (grown[i]!.every((g) => g === 0) ? e : sourceExpr(e, size(i), grown[i]!, attrs.mode)));
      return [loopKernel({ name, reads: [input], output, body: x.load(0, at) })];
    }
    let inside: Expr = x.constant(1, "bool");
    for (const [i, e] of here.entries()) {
      if (grown[i]![0] > 0) inside = x.and(inside, x.le(x.int(0), e));
      if (grown[i]![1] > 0) inside = x.and(inside, x.lt(e, size(i)));
    }
    return [loopKernel({ name, reads: [input], output, body: x.select(inside, x.load(0, here), attrs.value) })];
  },
  bound: { kind: "exact" },
  samples: [
    { name: "constant 0", inputs: [[2, 3, 4, 5]], attrs: { amount: 1 } },
    { name: "constant 0.3, four sides", inputs: [[1, 3, 4, 5]], attrs: { amount: [1, 0, 2, 3], value: 0.3 } },
    { name: "reflect", inputs: [[1, 3, 4, 5]], attrs: { amount: [3, 2], mode: "reflect" } },
    { name: "reflect, one side", inputs: [[1, 3, 4, 5]], attrs: { amount: [0, 1, 2, 0], mode: "reflect" } },
    { name: "edge", inputs: [[2, 3, 3, 2]], attrs: { amount: [4, 1, 0, 5], mode: "edge" } },
    { name: "channels (ResNet option A)", inputs: [[2, 5, 3, 3]], attrs: { amount: [2, 3], axis: "c" } },
    { name: "channels, edge", inputs: [[1, 3, 2, 2]], attrs: { amount: 2, axis: "c", mode: "edge" } },
  ],
});
