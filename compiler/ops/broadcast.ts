/** Shapes and arithmetic of the merges `add` and `mul`: many inputs of one rank, on every axis equal sizes or 1. */
import { messages } from "../diagnostics/messages.gen.ts";
import { type Dim, f32, shapeText, type TensorType } from "../ir/type.ts";
import type { Problem, Sample, Tensor } from "./op.ts";
import { elements } from "./tensor.ts";

export function broadcastType(layer: string, inputs: readonly TensorType[]): TensorType | Problem {
  const first = inputs[0]!;
  const shape: Dim[] = [...first.shape];
  for (const t of inputs.slice(1)) {
    const fits = t.shape.length === shape.length && t.shape.every((d, i) => d === shape[i] || d === 1 || shape[i] === 1);
    if (!fits) return { problem: messages.SE201.merge({ layer, first: shapeText(shape), second: shapeText(t.shape) }) };
    for (const [i, d] of t.shape.entries()) if (shape[i] === 1) shape[i] = d;
  }
  return f32(...shape);
}

/** Where element `i` of a tensor of `shape` reads from in one of shape `from`. */
function sourceOf(i: number, shape: readonly number[], from: readonly number[]): number {
  let rest = i;
  let at = 0;
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const n = shape[axis]!;
    if (from[axis] !== 1) at += (rest % n) * step;
    rest = Math.floor(rest / n);
    step *= from[axis]!;
  }
  return at;
}

/** Folds the inputs from left to right; `each` sees every partial result with its element. */
export function broadcastFold(
  inputs: readonly Tensor[],
  fn: (a: number, b: number) => number,
  each?: (element: number, partial: number) => void,
): Tensor {
  const shape = inputs[0]!.shape.map((_, axis) => inputs.reduce((n, t) => (n === 1 ? t.shape[axis]! : n), 1));
  const data = new Float64Array(elements(shape));
  for (const [position, t] of inputs.entries()) {
    const same = t.data.length === data.length;
    for (let i = 0; i < data.length; i++) {
      const v = t.data[same ? i : sourceOf(i, shape, t.shape)]!;
      data[i] = position === 0 ? v : fn(data[i]!, v);
      if (position > 0) each?.(i, data[i]!);
    }
  }
  return { shape, data };
}

/** eps |partial result| for every operation: eps |y| for two inputs. */
export function foldBound(inputs: readonly Tensor[], fn: (a: number, b: number) => number, output: Tensor): Float64Array {
  const allowed = new Float64Array(output.data.length);
  broadcastFold(inputs, fn, (i, partial) => {
    allowed[i]! += 2 ** -23 * Math.abs(partial);
  });
  return allowed;
}

export const mergeSamples: readonly Sample<Record<string, never>>[] = [
  {
    name: "equal maps",
    inputs: [
      [2, 5, 3, 7],
      [2, 5, 3, 7],
    ],
    attrs: {},
  },
  {
    name: "gate per channel",
    inputs: [
      [2, 6, 5, 3],
      [2, 6, 1, 1],
    ],
    attrs: {},
  },
  {
    name: "gate per position, first",
    inputs: [
      [2, 1, 5, 3],
      [2, 6, 5, 3],
    ],
    attrs: {},
  },
  {
    name: "rows, columns and a map",
    inputs: [
      [1, 4, 5, 1],
      [1, 4, 1, 3],
      [1, 4, 5, 3],
    ],
    attrs: {},
  },
  {
    name: "vectors",
    inputs: [
      [3, 7],
      [3, 7],
      [3, 7],
      [3, 7],
    ],
    attrs: {},
  },
];
