/**
 * Runs kernels in f32, one rounding per operation: the oracle of lowerings and kernel passes, without any backend.
 * Slow and strict: a load or store outside its value and a division of a negative index are errors; selects are lazy;
 * an element that no kernel writes stays NaN.
 */
import { invariant, must } from "../invariant.ts";
import { typeOf } from "../ir/expr.ts";
import type { Value } from "../ir/graph.ts";
import type { Expr, Kernel, LoopKernel } from "../ir/kernel.ts";
import { numel } from "../ir/type.ts";
import { expandToLoop } from "../ops/expand-kernel.ts";

type Numbers = Float32Array | Float64Array;
type Run = () => number;

interface Frame {
  readonly kernel: LoopKernel;
  readonly memory: ReadonlyMap<number, Numbers>;
  readonly indices: Map<string, number>;
  readonly round: (v: number) => number;
  acc: number;
}

/** Numbers of a run: "f32" rounds after every operation as a target does, "f64" shows whether two programs are the same function. */
export type Precision = "f32" | "f64";

/** Row-major position of coordinates, checked. */
function address(value: Value, at: readonly number[], kernel: string): number {
  const shape = value.type.shape as readonly number[];
  invariant(at.length === shape.length, `${kernel}: ${at.length} coordinates for ${value.name} of rank ${shape.length}`);
  let flat = 0;
  for (const [axis, i] of at.entries()) {
    const n = shape[axis] as number;
    invariant(Number.isInteger(i) && i >= 0 && i < n, `${kernel}: [${at}] is outside ${value.name} [${shape}]`);
    flat = flat * n + i;
  }
  return flat;
}

/** An expression as a closure over the frame. Integers stay exact, everything else is rounded to f32. */
function prepare(e: Expr, frame: Frame): Run {
  switch (e.kind) {
    case "const": {
      const value = e.type === "f32" ? frame.round(e.value) : e.value;
      return () => value;
    }
    case "index":
      return () => must(frame.indices.get(e.name), `axis ${e.name} in ${frame.kernel.name}`);
    case "acc":
      return () => frame.acc;
    case "load": {
      const value = must(frame.kernel.buffers[e.buffer], `buffer ${e.buffer} of ${frame.kernel.name}`).value;
      const at = e.at.map((c) => prepare(c, frame));
      return () => {
        const numbers = must(frame.memory.get(value.id), `${value.name}, read by ${frame.kernel.name}`);
        const position = address(
          value,
          at.map((c) => c()),
          frame.kernel.name,
        );
        return numbers[position] as number;
      };
    }
    case "select": {
      const [cond, yes, no] = [prepare(e.cond, frame), prepare(e.yes, frame), prepare(e.no, frame)];
      return () => (cond() ? yes() : no());
    }
    case "unary": {
      const v = prepare(e.x, frame);
      const fn = UNARY[e.fn];
      return typeOf(e) === "f32" ? () => frame.round(fn(v())) : () => fn(v());
    }
    case "binary": {
      const [a, b] = [prepare(e.a, frame), prepare(e.b, frame)];
      // a false left side guards the right one, as in the targets
      if (e.fn === "and") return () => (a() && b() ? 1 : 0);
      const fn = BINARY[e.fn];
      return typeOf(e) === "f32" ? () => frame.round(fn(a(), b())) : () => fn(a(), b());
    }
  }
}

const UNARY: Readonly<Record<(Expr & { kind: "unary" })["fn"], (v: number) => number>> = {
  neg: (v) => -v,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  rsqrt: (v) => 1 / Math.sqrt(v),
  tanh: Math.tanh,
  floor: Math.floor,
  float: (v) => v,
  int: Math.trunc,
  not: (v) => (v ? 0 : 1),
};

/** Targets round a negative quotient differently, so kernels must never ask for one. */
function natural(v: number): number {
  invariant(v >= 0, `idiv or imod of the negative number ${v}`);
  return v;
}

const BINARY: Readonly<Record<(Expr & { kind: "binary" })["fn"], (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
  pow: (a, b) => a ** b,
  idiv: (a, b) => Math.floor(natural(a) / b),
  imod: (a, b) => natural(a) % b,
  lt: (a, b) => (a < b ? 1 : 0),
  le: (a, b) => (a <= b ? 1 : 0),
  eq: (a, b) => (a === b ? 1 : 0),
  and: (a, b) => (a && b ? 1 : 0),
};

/** Calls `visit` for every point of the axes, the last one fastest. */
function walkAxes(axes: LoopKernel["space"], indices: Map<string, number>, visit: () => void, depth = 0): void {
  const axis = axes[depth];
  if (!axis) {
    visit();
    return;
  }
  for (let i = 0; i < axis.size; i++) {
    indices.set(axis.name, i);
    walkAxes(axes, indices, visit, depth + 1);
  }
  indices.delete(axis.name);
}

function runLoop(kernel: LoopKernel, memory: Map<number, Numbers>, precision: Precision): void {
  const target = must(kernel.buffers[kernel.output], `output of ${kernel.name}`);
  invariant(target.access === "write", `${kernel.name} writes a buffer it declares as read`);
  const shape = target.value.type.shape;
  const output = memory.get(target.value.id) ?? new (precision === "f32" ? Float32Array : Float64Array)(numel(shape)).fill(Number.NaN);
  const round = precision === "f32" ? Math.fround : (v: number) => v;
  const frame: Frame = { kernel, memory, indices: new Map(), round, acc: 0 };
  const [body, epilogue] = [prepare(kernel.body, frame), kernel.epilogue && prepare(kernel.epilogue, frame)];
  const store = kernel.store.map((e) => prepare(e, frame));
  const { reduce } = kernel;
  walkAxes(kernel.space, frame.indices, () => {
    let result: number;
    if (reduce) {
      let acc = round(reduce.init);
      walkAxes(reduce.over, frame.indices, () => {
        acc = reduce.fn === "add" ? round(acc + body()) : Math.max(acc, body());
      });
      frame.acc = acc;
      result = epilogue ? epilogue() : acc;
    } else result = body();
    const at = store.map((e) => e());
    output[address(target.value, at, kernel.name)] = result;
  });
  memory.set(target.value.id, output);
}

/**
 * Runs the kernels in order. `given`: inputs and weights by value id, row-major in their logical shape, f32.
 * Returns every value's numbers by id, the given ones included. An element nobody wrote is NaN.
 */
export function runKernels(
  kernels: readonly Kernel[],
  given: ReadonlyMap<number, Numbers>,
  precision: Precision = "f32",
): ReadonlyMap<number, Numbers> {
  const memory = new Map(given);
  let id = -1;
  const temp = (shape: readonly number[]): Value => ({ id: id--, type: { dtype: "f32", shape }, name: `temp${-id}` });
  for (const kernel of kernels)
    for (const loop of kernel.kind === "loop" ? [kernel] : expandToLoop(kernel, temp)) runLoop(loop, memory, precision);
  return memory;
}
