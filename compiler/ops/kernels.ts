/** Kernel shapes that many lowerings share. */
import * as x from "../ir/expr.ts";
import type { Value } from "../ir/graph.ts";
import type { Axis, Expr, LoopKernel } from "../ir/kernel.ts";

/** Axes of a walk over a whole value: [n, c, y, x] or [n, c] (other ranks: a0, a1, ...). The batch must be bound. */
export function axesOf(value: Value): Axis[] {
  const names =
    value.type.shape.length === 4
      ? ["n", "c", "y", "x"]
      : value.type.shape.length === 2
        ? ["n", "c"]
        : value.type.shape.map((_, i) => `a${i}`);
  return value.type.shape.map((size, i) => ({ name: names[i] as string, size: size as number }));
}

export const coordinates = (axes: readonly Axis[]): Expr[] => axes.map((a) => x.index(a.name));

/** Coordinates of `of` seen from a walk over `axes`: axes of size 1 read coordinate 0 (broadcast). */
export function broadcastAt(axes: readonly Axis[], of: Value): Expr[] {
  return axes.map((a, i) => (of.type.shape[i] === 1 && a.size !== 1 ? x.int(0) : x.index(a.name)));
}

/** output = fn(inputs...) element by element; smaller inputs are broadcast. `perChannel` weights are read at [c] after the inputs. */
export function mapKernel(
  name: string,
  inputs: readonly Value[],
  output: Value,
  fn: (...args: Expr[]) => Expr,
  perChannel: readonly Value[] = [],
): LoopKernel {
  const space = axesOf(output);
  const loads = inputs.map((v, i) => x.load(i, broadcastAt(space, v)));
  const extra = perChannel.map((v, i) => x.load(inputs.length + i, [v.type.shape[0] === 1 ? x.int(0) : x.index("c")]));
  return {
    kind: "loop",
    name,
    buffers: [
      ...[...inputs, ...perChannel].map((value) => ({ value, access: "read" as const })),
      { value: output, access: "write" as const },
    ],
    from: [],
    space,
    body: fn(...loads, ...extra),
    output: inputs.length + perChannel.length,
    store: coordinates(space),
  };
}
