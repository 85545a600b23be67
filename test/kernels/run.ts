/** Runs a Program with the kernel interpreter on seeded numbers; weights derived by recipes are computed as the compiler computes them. */
import { must } from "../../compiler/invariant.ts";
import type { Weight } from "../../compiler/ir/graph.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import { numel } from "../../compiler/ir/type.ts";
import { type Precision, runKernels } from "../../compiler/reference/run-kernels.ts";
import { recipeOf } from "../../compiler/weights/recipes.ts";
import { runFast } from "./jit.ts";

/** Uniform in [-1, 1), the same for the same seed. */
export function numbers(seed: number, length: number): Float64Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround(state / 2 ** 31 - 1);
  });
}

const hash = (text: string): number => [...text].reduce((h, c) => (Math.imul(h, 31) + c.charCodeAt(0)) >>> 0, 7);

/** A weight's values in f64 before rounding: seeded by its path, scaled by 1/sqrt(fan in); derived ones by their recipe. */
export function weightValues(w: Weight, overrides: ReadonlyMap<string, Float64Array> = new Map()): Float64Array {
  const shape = w.value.type.shape as readonly number[];
  const given = overrides.get(w.path);
  if (given) return given;
  if (w.init.kind === "derived") {
    const sources = w.init.from.map((s) => ({ shape: s.value.type.shape as readonly number[], data: weightValues(s, overrides).slice() }));
    return recipeOf(w.init.recipe).run(sources, w.init.attrs, shape);
  }
  const fanIn = Math.max(
    1,
    shape.slice(1).reduce<number>((n, d) => n * d, 1),
  );
  return numbers(hash(w.path), numel(shape)).map((v) => Math.fround(v / Math.sqrt(fanIn)));
}

export interface RunSpec {
  /** "f64" runs as compiled loops; "f32" and "strict" in the interpreter, which checks every address ("strict" in f64). */
  readonly mode?: "f64" | "f32" | "strict";
  readonly weights?: ReadonlyMap<string, Float64Array>;
}

/** Outputs by name on inputs seeded by name. */
export function run(program: Program, { mode = "f64", weights }: RunSpec = {}): Map<string, Float64Array> {
  const given = new Map<number, Float64Array>();
  for (const { name, value } of program.inputs)
    given.set(
      value.id,
      numbers(hash(name), numel(value.type.shape)).map((v) => v * 2),
    );
  for (const w of program.weights) given.set(w.value.id, weightValues(w, weights));
  const memory = mode === "f64" ? runFast(program.kernels, given) : interpret(program, given, mode === "f32" ? "f32" : "f64");
  return new Map(program.outputs.map(({ name, value }) => [name, Float64Array.from(must(memory.get(value.id), name))]));
}

function interpret(program: Program, given: ReadonlyMap<number, Float64Array>, precision: Precision): ReturnType<typeof runKernels> {
  const make = (v: Float64Array): Float64Array | Float32Array => (precision === "f32" ? Float32Array.from(v) : v);
  return runKernels(program.kernels, new Map([...given].map(([id, v]) => [id, make(v)])), precision);
}

/** Largest difference over the largest magnitude. NaN when an element was never written. */
export function relativeError(a: Float64Array, b: Float64Array): number {
  let difference = 0;
  let magnitude = 1e-30;
  for (const [i, v] of a.entries()) {
    const d = Math.abs(v - (b[i] as number));
    if (Number.isNaN(d)) return Number.NaN;
    difference = Math.max(difference, d);
    magnitude = Math.max(magnitude, Math.abs(v));
  }
  return a.length === b.length ? difference / magnitude : Number.NaN;
}
