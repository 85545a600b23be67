/**
 * How derived tensors are computed from others: in f64, from unrounded sources, rounded once at the very end by the reader.
 * Sources are fresh arrays, so a recipe may overwrite and return one of them.
 */
import { must } from "../invariant.ts";
import type { Attrs } from "../ir/graph.ts";
import { numel } from "../ir/type.ts";
import { opOf } from "../ops/index.ts";
import type { Tensor } from "../ops/op.ts";
import { product, type RowsOf, scaleRuns } from "../vectors/kernels.ts";

/** A tensor as a matrix of rows along its first axis. */
export interface RowSource {
  readonly columns: number;
  readonly rows: RowsOf;
}

export interface Recipe {
  /** What it computes, as a formula over the sources in order. */
  readonly summary: string;
  readonly run: (sources: readonly Tensor[], attrs: Attrs, shape: readonly number[]) => Float64Array;
  /**
   * Works on source 0 in place, one rounding an element: given that source in f32 it leaves exactly what rounding the f64 result would give,
   * without the detour through an f64 copy of a large tensor.
   */
  readonly inPlace?: true;
  /** Each row of the result is made of the same rows of the sources. Undefined: never. */
  readonly byRows?: (attrs: Attrs) => boolean;
  /** `run`, where the last source is asked for some rows at a time, in order: for one that is large and need not be in memory as a whole. */
  readonly runOverRows?: (sources: readonly Tensor[], last: RowSource) => Float64Array;
  /** Much work for a small result, or for each of its numbers: a reader that serves several targets keeps it, so it is an array of its own. */
  readonly costly?: true;
}

const data = (sources: readonly Tensor[], i: number): Float64Array => must(sources[i], `recipe source ${i}`).data;
const number = (attrs: Attrs, key: string): number => must(attrs[key] as number | undefined, `recipe attribute ${key}`);

/** bn-scale: 1 / sqrt(var + eps), times gamma when the norm is affine. Sources: var, gamma?. */
function bnScale(sources: readonly Tensor[], attrs: Attrs): Float64Array {
  const gamma = sources[1]?.data;
  const eps = number(attrs, "eps");
  return data(sources, 0).map((variance, i) => (gamma ? gamma[i]! : 1) / Math.sqrt(variance + eps));
}

/** bn-shift: beta - mean * scale. Sources: mean, var, then gamma and beta when the norm is affine. */
function bnShift(sources: readonly Tensor[], attrs: Attrs): Float64Array {
  const variance = data(sources, 1);
  const gamma = sources[2]?.data;
  const beta = sources[3]?.data;
  const eps = number(attrs, "eps");
  return data(sources, 0).map((mean, i) => (beta ? beta[i]! : 0) - (mean * (gamma ? gamma[i]! : 1)) / Math.sqrt(variance[i]! + eps));
}

/**
 * scale-out: a weight times one factor per output channel. Sources: weight, factors [out].
 * conv and linear keep their outputs on axis 0. A deconv weight is [in, out/groups, kh, kw], so with `groups` > 0 the output channel
 * of element [i, j] is (group of i) * out/groups + j.
 */
function scaleOut(sources: readonly Tensor[], attrs: Attrs, shape: readonly number[]): Float64Array {
  const w = data(sources, 0);
  const factor = data(sources, 1);
  const groups = (attrs.deconvGroups as number | undefined) ?? 0;
  if (groups === 0) {
    scaleRuns(w, w.length / (shape[0] ?? 1), factor);
    return w;
  }
  const [inputs = 1, perGroup = 1] = shape;
  const taps = w.length / (inputs * perGroup);
  const inputsPerGroup = inputs / groups;
  for (let i = 0, at = 0; i < inputs; i++)
    for (let j = 0; j < perGroup; j++) {
      const f = factor[Math.floor(i / inputsPerGroup) * perGroup + j]!;
      for (let k = 0; k < taps; k++, at++) w[at]! *= f;
    }
  return w;
}

/** shift-out: bias * factor + shift. Sources: factor, shift, bias. */
function shiftOut(sources: readonly Tensor[]): Float64Array {
  const factor = data(sources, 0);
  const bias = data(sources, 2);
  return data(sources, 1).map((t, i) => bias[i]! * factor[i]! + t);
}

/** sum: a + b, element by element. */
function sum(sources: readonly Tensor[]): Float64Array {
  const b = data(sources, 1);
  return data(sources, 0).map((v, i) => v + b[i]!);
}

/**
 * deconv-phases: a deconv weight [in, out, kh, kw] as the weight of a convolution whose channels are all phases of the output:
 * [sh*sw*out, in, ceil(kh/sh), ceil(kw/sw)]. Tap t of phase r is tap r + stride * (taps - 1 - t), zero where there is none.
 */
function deconvPhases(sources: readonly Tensor[], attrs: Attrs, shape: readonly number[]): Float64Array {
  const w = data(sources, 0);
  const [, outputs = 1, kh = 1, kw = 1] = must(sources[0], "deconv weight").shape;
  const [sh = 1, sw = 1] = attrs.stride as readonly number[];
  const [, inputs = 1, rows = 1, columns = 1] = shape;
  const phases = new Float64Array(numel(shape));
  let i = 0;
  for (let phase = 0; phase < sh * sw; phase++)
    for (let o = 0; o < outputs; o++)
      for (let ci = 0; ci < inputs; ci++)
        for (let y = 0; y < rows; y++)
          for (let x = 0; x < columns; x++, i++) {
            const row = Math.floor(phase / sw) + sh * (rows - 1 - y);
            const column = (phase % sw) + sw * (columns - 1 - x);
            if (row < kh && column < kw) phases[i] = w[((ci * outputs + o) * kh + row) * kw + column]!;
          }
  return phases;
}

/** The rows of what is in memory as a whole. */
export const wholeRows = (values: Float64Array, columns: number): RowSource => ({
  columns,
  rows: (first, count) => values.subarray(first * columns, (first + count) * columns),
});

/** matmul: a [m, k, 1, 1] times b [k, n, 1, 1]; trailing axes of size 1 are free. */
const matmulOverRows = (sources: readonly Tensor[], { columns, rows }: RowSource): Float64Array =>
  product(data(sources, 0), rows, must(sources[0], "matmul left").shape[0] ?? 1, columns);

const matmul = (sources: readonly Tensor[]): Float64Array => {
  const [inner = 1] = must(sources[1], "matmul right").shape;
  return matmulOverRows(sources, wholeRows(data(sources, 1), data(sources, 1).length / inner));
};

/** matvec-add: matrix [m, k] times vector [k], plus the vector [m] when there is one. Sources: matrix, vector, add?. */
function matvecAdd(sources: readonly Tensor[]): Float64Array {
  const v = data(sources, 1);
  const add = sources[2]?.data;
  const sums = product(data(sources, 0), wholeRows(v, 1).rows, data(sources, 0).length / v.length, 1);
  return add ? sums.map((sum, i) => sum + add[i]!) : sums;
}

/**
 * op: the reference of an op on constant inputs. attrs: `op`, its `attrs`, `inputs` (how many sources are inputs), `own` (names of the
 * others as the op's own tensors).
 */
function applyReference(sources: readonly Tensor[], attrs: Attrs): Float64Array {
  const inputs = number(attrs, "inputs");
  const own = attrs.own as readonly string[];
  const weights = Object.fromEntries(own.map((name, i) => [name, must(sources[inputs + i], name)]));
  return opOf(attrs.op as string).reference(sources.slice(0, inputs), weights, attrs.attrs as never).data;
}

export const recipes = {
  "bn-scale": { summary: "gamma / sqrt(var + eps)", run: bnScale, costly: true },
  "bn-shift": { summary: "beta - mean * gamma / sqrt(var + eps)", run: bnShift, costly: true },
  "scale-out": { summary: "weight * factor, by output channel", run: scaleOut, inPlace: true, byRows: (attrs) => !attrs.deconvGroups },
  "shift-out": { summary: "bias * factor + shift", run: shiftOut },
  "deconv-phases": { summary: "a deconv weight by phases of the output", run: deconvPhases },
  sum: { summary: "a + b", run: sum },
  constant: { summary: "value everywhere", run: (_s, attrs, shape) => new Float64Array(numel(shape)).fill(number(attrs, "value")) },
  reshape: { summary: "the same values", run: (sources) => data(sources, 0) },
  matmul: { summary: "a * b", run: matmul, runOverRows: matmulOverRows, costly: true },
  "matvec-add": { summary: "matrix * vector + add", run: matvecAdd },
  op: { summary: "an op on constants", run: applyReference },
} as const satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof recipes;

const table: ReadonlyMap<string, Recipe> = new Map(Object.entries(recipes));

export function recipeOf(name: string): Recipe {
  return must(table.get(name), `recipe ${name}`);
}
