/** Reads the tensors of a graph one at a time: from a file, from their initialiser, or by recipe from others. */
import { invariant, must } from "../invariant.ts";
import type { Weight } from "../ir/graph.ts";
import { numel } from "../ir/type.ts";
import { copyValues } from "../ir/values.ts";
import type { Tensor } from "../ops/op.ts";
import { widen } from "../vectors/kernels.ts";
import { TILE, type VectorMemory, vectorMemory } from "../vectors/memory.ts";
import type { WeightPlan } from "./check.ts";
import { fillInitial } from "./init.ts";
import { type RowSource, recipeOf, wholeRows } from "./recipes.ts";
import type { TensorFile } from "./safetensors.ts";
import type { WeightReader } from "./source.ts";
import { tensorValuesInto } from "./values.ts";

export interface ReaderOptions {
  /** Both or neither: where tensors of a file come from, as `matchWeights` decided. Without them everything is initialised. */
  readonly plan?: WeightPlan | undefined;
  readonly file?: TensorFile | undefined;
  /** For everything that is initialised; default 0. */
  readonly seed?: number | undefined;
  /** Where tensors are made, for one reader at a time: the memory of what packs them, so that loops that work in it do both. */
  readonly memory?: VectorMemory | undefined;
}

/** What readers call the memory of one tensor in f32. */
export const TENSOR = "tensor";

const countOf = (weight: Weight): number => numel(weight.value.type.shape);
const shapeOf = (weight: Weight): readonly number[] => weight.value.type.shape as readonly number[];
const rowsOf = (weight: Weight): number => shapeOf(weight)[0] ?? 1;
const columnsOf = (weight: Weight): number => countOf(weight) / rowsOf(weight);

/** What a derived tensor is made of, as a text: equal texts of one reader mean equal values. */
function formulaOf(weight: Weight): string {
  if (weight.init.kind !== "derived") return weight.path;
  const { recipe, from, attrs } = weight.init;
  return `${recipe}(${from.map(formulaOf).join(",")};${JSON.stringify(attrs)})`;
}

/**
 * A tensor is made when it is asked for, and asking twice gives equal arrays. Nothing large is kept but the products of costly recipes:
 * the memory in use is that of one tensor and, for derived ones, its sources. Making a value anew takes less time than touching a new page
 * of memory for it, so several targets of one command read the same tensor several times.
 */
export function weightReader(options: ReaderOptions = {}): WeightReader {
  const { plan, file, seed = 0, memory = vectorMemory() } = options;
  const products = new Map<string, Float64Array>();
  const scratch = (count: number): Float32Array => {
    const { buffer, byteOffset } = memory.region(TENSOR)(4 * count);
    return new Float32Array(buffer, byteOffset, count);
  };

  /** The values of a tensor that is not derived, into `values`. */
  const base = (weight: Weight, values: Float32Array): Float32Array => {
    const source = plan?.sources.get(weight.fileName ?? weight.path);
    if (source?.kind === "file") {
      invariant(file !== undefined, `no file for ${weight.path}`);
      tensorValuesInto(file, source.tensor, values);
    } else if (source?.kind === "zero") values.fill(0);
    else if (weight.given) copyValues(weight.given, values);
    else {
      invariant(weight.init.kind !== "derived", `${weight.path} has no values of its own`);
      fillInitial(values, weight.init, weight.path, seed);
    }
    if (weight.preserve && (plan === undefined || plan.freshGroups.has(weight.preserve.group))) {
      // a power of two: exact in f32
      for (let i = 0; i < values.length; i++) values[i]! *= weight.preserve.factor;
    }
    return values;
  };

  /** f64 values of one recipe's sources: `slot` tells those that are alive at one time apart. */
  const exactMemory = (slot: number, count: number): Float64Array => {
    const { buffer, byteOffset } = memory.region(`source ${slot}`)(8 * count);
    return new Float64Array(buffer, byteOffset, count);
  };

  /** Before rounding, for whoever may overwrite it; the result may lie in the memory of slots from `slot` on. */
  const exactAt = (weight: Weight, slot: number): Float64Array => {
    const values = readAt(weight, slot);
    return weight.init.kind === "derived" && recipeOf(weight.init.recipe).costly ? values.slice() : values;
  };

  /** The same, to be read only. */
  const readAt = (weight: Weight, slot: number): Float64Array => {
    const count = numel(weight.value.type.shape);
    if (weight.init.kind !== "derived") {
      const values = exactMemory(slot, count);
      widen(base(weight, scratch(count)), values);
      return values;
    }
    const { recipe, from, attrs } = weight.init;
    const { run, runOverRows, costly } = recipeOf(recipe);
    const formula = costly ? formulaOf(weight) : "";
    const known = products.get(formula);
    if (known) return known;
    const last = runOverRows ? must(from.at(-1), `sources of ${weight.path}`) : undefined;
    const whole = last ? from.slice(0, -1) : from;
    // each source and all it is made of lie within slots of their own, in one memory: they are as large as they will be before any is filled
    let next = slot;
    for (const w of whole) {
      exactMemory(next, countOf(w));
      next += depth(w);
    }
    if (last) {
      exactMemory(next, Math.min(TILE.inner, rowsOf(last)) * columnsOf(last));
      scratch(countOf(last));
    }
    const sources = exactSources(whole, slot);
    const out = last && runOverRows ? runOverRows(sources, rowsAt(last, next)) : run(sources, attrs, shapeOf(weight));
    invariant(out.length === countOf(weight), `recipe ${recipe} made ${out.length} values for ${weight.path}`);
    if (costly) products.set(formula, out);
    return out;
  };

  const exactSources = (from: readonly Weight[], slot: number): Tensor[] => {
    let next = slot;
    return from.map((w) => {
      const data = exactAt(w, next);
      next += depth(w);
      return { shape: shapeOf(w), data };
    });
  };

  /**
   * As `exactAt`, some rows at a time: of what is not derived, and of what is made of that row by row, no more is made f64. It is the last
   * that is asked for: the f32 values stay where those of other tensors would go.
   */
  const rowsAt = (weight: Weight, slot: number): RowSource => {
    const columns = columnsOf(weight);
    const some = <T extends Float32Array | Float64Array>(data: T, row: number, count: number): T => {
      const width = data.length / rowsOf(weight);
      return data.subarray(row * width, (row + count) * width) as T;
    };
    const exactRows = (values: Float32Array, row: number, count: number): Float64Array => {
      const part = exactMemory(slot, count * columns);
      widen(some(values, row, count), part);
      return part;
    };
    const { init } = weight;
    if (init.kind !== "derived") {
      const values = base(weight, scratch(countOf(weight)));
      return { columns, rows: (row, count) => exactRows(values, row, count) };
    }
    const { run, byRows } = recipeOf(init.recipe);
    const [first, ...rest] = init.from;
    if (first === undefined || first.init.kind === "derived" || !byRows?.(init.attrs)) return wholeRows(readAt(weight, slot), columns);
    const others = exactSources(rest, slot + 1);
    const values = base(first, scratch(countOf(first)));
    const rows = (row: number, count: number): Float64Array => {
      const parts = [exactRows(values, row, count), ...others.map(({ data }) => some(data, row, count))];
      const sources = parts.map((data) => ({ shape: [count, data.length / count], data }));
      return run(sources, init.attrs, [count, columns]);
    };
    return { columns, rows };
  };

  const exact = (weight: Weight): Float64Array => exactAt(weight, 0).slice();

  const into = (weight: Weight, values: Float32Array): Float32Array => {
    if (weight.init.kind !== "derived") return base(weight, values);
    const { recipe, from, attrs } = weight.init;
    const { run, inPlace } = recipeOf(recipe);
    const [first, ...rest] = from;
    if (!inPlace || first === undefined || first.init.kind === "derived") {
      values.set(readAt(weight, 0));
      return values;
    }
    // before `values` is filled: they may be the memory that these pass through
    const others = exactSources(rest, 0);
    // the recipe leaves its result in `values`; its types only know f64
    const source = { shape: shapeOf(first), data: base(first, values) as unknown as Float64Array };
    run([source, ...others], attrs, shapeOf(weight));
    return values;
  };

  return {
    read: (weight) => into(weight, scratch(countOf(weight))).slice(),
    readExact: exact,
    borrow: (weight) => into(weight, scratch(countOf(weight))),
    readInto: into,
  };
}

/** How many slots a tensor and what it is made of take. */
function depth(weight: Weight): number {
  return weight.init.kind === "derived"
    ? Math.max(
        1,
        weight.init.from.reduce((n, w) => n + depth(w), 0),
      )
    : 1;
}
