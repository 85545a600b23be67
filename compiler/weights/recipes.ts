/**
 * How derived tensors are computed from others: in f64, from unrounded sources, rounded once at the very end by the reader.
 * Sources are fresh arrays, so a recipe may overwrite and return one of them.
 */
import { must } from "../invariant.ts";
import type { Attrs } from "../ir/graph.ts";
import { numel } from "../ir/type.ts";
import { opOf } from "../ops/index.ts";
import type { Tensor } from "../ops/op.ts";

export interface Recipe {
  /** What it computes, as a formula over the sources in order. */
  readonly summary: string;
  readonly run: (sources: readonly Tensor[], attrs: Attrs, shape: readonly number[]) => Float64Array;
  /**
   * Works on source 0 in place, one rounding an element: given that source in f32 it leaves exactly what rounding the f64 result would give,
   * without the detour through an f64 copy of a large tensor.
   */
  readonly inPlace?: true;
  /** Much work for a small result: a reader that serves several targets keeps it. */
  readonly costly?: true;
}

const data = (sources: readonly Tensor[], i: number): Float64Array => must(sources[i], `recipe source ${i}`).data;
const number = (attrs: Attrs, key: string): number => must(attrs[key] as number | undefined, `recipe attribute ${key}`);

/** sigma of a batch norm: sqrt(var + eps). */
const deviation = (variance: number, attrs: Attrs): number => Math.sqrt(variance + number(attrs, "eps"));

/** bn-scale: 1 / sqrt(var + eps), times gamma when the norm is affine. Sources: var, gamma?. */
function bnScale(sources: readonly Tensor[], attrs: Attrs): Float64Array {
  const gamma = sources[1]?.data;
  return data(sources, 0).map((v, i) => (gamma?.[i] ?? 1) / deviation(v, attrs));
}

/** bn-shift: beta - mean * scale. Sources: mean, var, then gamma and beta when the norm is affine. */
function bnShift(sources: readonly Tensor[], attrs: Attrs): Float64Array {
  const variance = data(sources, 1);
  const gamma = sources[2]?.data;
  const beta = sources[3]?.data;
  return data(sources, 0).map((mean, i) => (beta?.[i] ?? 0) - (mean * (gamma?.[i] ?? 1)) / deviation(variance[i]!, attrs));
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
    const row = w.length / (shape[0] ?? 1);
    for (let o = 0, i = 0; o < factor.length; o++) for (let k = 0; k < row; k++, i++) w[i]! *= factor[o]!;
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

/** matmul: a [m, k, 1, 1] times b [k, n, 1, 1]; trailing axes of size 1 are free. */
function matmul(sources: readonly Tensor[]): Float64Array {
  const rows = must(sources[0], "matmul left").shape[0] ?? 1;
  const [a, b] = [data(sources, 0), data(sources, 1)];
  const inner = a.length / rows;
  const columns = b.length / inner;
  const out = new Float64Array(rows * columns);
  // eight rows of b at a time: a running sum is loaded and stored once for eight products; the order of the sums stays that of j
  const whole = inner - (inner % 8);
  for (let i = 0; i < rows; i++) {
    const row = out.subarray(i * columns, (i + 1) * columns);
    for (let j = 0; j < whole; j += 8) {
      const at = i * inner + j;
      const [f0, f1, f2, f3] = [a[at]!, a[at + 1]!, a[at + 2]!, a[at + 3]!];
      const [f4, f5, f6, f7] = [a[at + 4]!, a[at + 5]!, a[at + 6]!, a[at + 7]!];
      const b0 = j * columns;
      const b4 = b0 + 4 * columns;
      for (let c = 0; c < columns; c++) {
        let sum = row[c]!;
        sum += f0 * b[b0 + c]!;
        sum += f1 * b[b0 + columns + c]!;
        sum += f2 * b[b0 + 2 * columns + c]!;
        sum += f3 * b[b0 + 3 * columns + c]!;
        sum += f4 * b[b4 + c]!;
        sum += f5 * b[b4 + columns + c]!;
        sum += f6 * b[b4 + 2 * columns + c]!;
        row[c] = sum + f7 * b[b4 + 3 * columns + c]!;
      }
    }
    for (let j = whole; j < inner; j++) {
      const f = a[i * inner + j]!;
      for (let c = 0, at = j * columns; c < columns; c++, at++) row[c]! += f * b[at]!;
    }
  }
  return out;
}

/** matvec-add: matrix [m, k] times vector [k], plus the vector [m] when there is one. Sources: matrix, vector, add?. */
function matvecAdd(sources: readonly Tensor[]): Float64Array {
  const v = data(sources, 1);
  const w = data(sources, 0);
  const add = sources[2]?.data;
  return Float64Array.from({ length: w.length / v.length }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < v.length; j++) sum += w[i * v.length + j]! * v[j]!;
    return sum + (add?.[i] ?? 0);
  });
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
  "bn-scale": { summary: "gamma / sqrt(var + eps)", run: bnScale },
  "bn-shift": { summary: "beta - mean * gamma / sqrt(var + eps)", run: bnShift },
  "scale-out": { summary: "weight * factor, by output channel", run: scaleOut, inPlace: true },
  "shift-out": { summary: "bias * factor + shift", run: shiftOut },
  sum: { summary: "a + b", run: sum },
  constant: { summary: "value everywhere", run: (_s, attrs, shape) => new Float64Array(numel(shape)).fill(number(attrs, "value")) },
  reshape: { summary: "the same values", run: (sources) => data(sources, 0) },
  matmul: { summary: "a * b", run: matmul, costly: true },
  "matvec-add": { summary: "matrix * vector + add", run: matvecAdd },
  op: { summary: "an op on constants", run: applyReference },
} as const satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof recipes;

const table: ReadonlyMap<string, Recipe> = new Map(Object.entries(recipes));

export function recipeOf(name: string): Recipe {
  return must(table.get(name), `recipe ${name}`);
}
