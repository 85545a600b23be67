/** Kernel shapes that many lowerings share. */
import * as x from "../ir/expr.ts";
import type { Value } from "../ir/graph.ts";
import type { Axis, Expr, LoopKernel } from "../ir/kernel.ts";

/** Most negative f32: where a maximum starts. Infinity literals do not exist in WGSL. */
export const LOWEST = -3.4028234663852886e38;

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

export interface LoopSpec {
  readonly name: string;
  /** Buffers 0, 1, ... in this order; the output comes after them. */
  readonly reads: readonly Value[];
  readonly output: Value;
  readonly body: Expr;
  /** The output's own axes unless given. */
  readonly space?: readonly Axis[];
  /** The walk's own coordinates unless given. */
  readonly store?: readonly Expr[];
  readonly reduce?: { readonly over: readonly Axis[]; readonly fn: "add" | "max" };
  readonly epilogue?: Expr;
}

export function loopKernel({ name, reads, output, body, space = axesOf(output), store, reduce, epilogue }: LoopSpec): LoopKernel {
  return {
    kind: "loop",
    name,
    buffers: [...reads.map((value) => ({ value, access: "read" as const })), { value: output, access: "write" as const }],
    from: [],
    space,
    ...(reduce ? { reduce: { over: reduce.over, fn: reduce.fn, init: reduce.fn === "add" ? 0 : LOWEST } } : {}),
    body,
    ...(epilogue ? { epilogue } : {}),
    output: reads.length,
    store: store ?? coordinates(space),
  };
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
  return loopKernel({ name, reads: [...inputs, ...perChannel], output, space, body: fn(...loads, ...extra) });
}

/** output[i...] = input[at(i...)]: layers that only move elements. */
export function moveKernel(name: string, input: Value, output: Value, at: (...axes: Expr[]) => readonly Expr[]): LoopKernel {
  return loopKernel({ name, reads: [input], output, body: x.load(0, at(...coordinates(axesOf(output)))) });
}

const ALWAYS = x.constant(1, "bool");

/** One axis of a sliding window. */
export interface WindowAxis {
  readonly in: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
}

/** Where tap `k` of output `o` reads, and whether that is inside the input; tests that always hold are left out. */
export function tapAt(axis: WindowAxis, o: Expr, k: Expr): { readonly at: Expr; readonly inside: Expr } {
  const out: Expr = axis.out === 1 ? x.int(0) : o;
  const tap: Expr = axis.kernel === 1 ? x.int(0) : k;
  const at = x.sub(x.add(x.mul(out, axis.stride), x.mul(tap, axis.dilation)), axis.before);
  const last = (axis.out - 1) * axis.stride - axis.before + (axis.kernel - 1) * axis.dilation;
  const above = axis.before > 0 ? x.le(x.int(0), at) : ALWAYS;
  const below = last >= axis.in ? x.lt(at, axis.in) : ALWAYS;
  return { at, inside: x.and(above, below) };
}

/** The factor of a reduction over `axes` whose sizes are 1 is none at all. */
export const realAxes = (axes: readonly Axis[]): Axis[] => axes.filter((a) => a.size > 1);
