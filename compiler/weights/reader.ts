/** Reads the tensors of a graph one at a time: from a file, from their initialiser, or by recipe from others. */
import { invariant } from "../invariant.ts";
import type { Weight } from "../ir/graph.ts";
import { numel } from "../ir/type.ts";
import type { WeightPlan } from "./check.ts";
import { initialValues } from "./init.ts";
import { recipeOf } from "./recipes.ts";
import type { TensorFile } from "./safetensors.ts";
import type { WeightReader } from "./source.ts";
import { tensorValues } from "./values.ts";

export interface ReaderOptions {
  /** Both or neither: where tensors of a file come from, as `matchWeights` decided. Without them everything is initialised. */
  readonly plan?: WeightPlan | undefined;
  readonly file?: TensorFile | undefined;
  /** For everything that is initialised; default 0. */
  readonly seed?: number | undefined;
  /** Keep initialised tensors: they are asked for once per target. Costs the memory of one set of weights. */
  readonly keep?: boolean | undefined;
}

const shapeOf = (weight: Weight): readonly number[] => weight.value.type.shape as readonly number[];

/** What a derived tensor is made of, as a text: equal texts of one reader mean equal values. */
function formulaOf(weight: Weight): string {
  if (weight.init.kind !== "derived") return weight.path;
  const { recipe, from, attrs } = weight.init;
  return `${recipe}(${from.map(formulaOf).join(",")};${JSON.stringify(attrs)})`;
}

/**
 * A tensor is made when it is asked for, and asking twice gives equal arrays. Nothing large is kept (unless `keep` says so): the memory in
 * use is that of one tensor and, for derived ones, its sources.
 */
export function weightReader(options: ReaderOptions = {}): WeightReader {
  const { plan, file, seed = 0, keep = false } = options;
  const kept = new Map<string, Float32Array>();
  const products = new Map<string, Float64Array>();

  const base = (weight: Weight): Float32Array => {
    const count = numel(weight.value.type.shape);
    const source = plan?.sources.get(weight.path);
    const values = ((): Float32Array => {
      if (source?.kind === "file") {
        invariant(file !== undefined, `no file for ${weight.path}`);
        return tensorValues(file, source.tensor);
      }
      if (source?.kind === "zero") return new Float32Array(count);
      invariant(weight.init.kind !== "derived", `${weight.path} has no values of its own`);
      const own = kept.get(weight.path);
      if (own) return own.slice();
      const made = initialValues(weight.init, weight.path, count, seed);
      if (keep) kept.set(weight.path, made.slice());
      return made;
    })();
    invariant(values.length === count, `${weight.path} has ${values.length} values, not ${count}`);
    if (weight.preserve && (plan === undefined || plan.freshGroups.has(weight.preserve.group))) {
      // a power of two: exact in f32
      for (let i = 0; i < values.length; i++) values[i]! *= weight.preserve.factor;
    }
    return values;
  };

  const exact = (weight: Weight): Float64Array => {
    if (weight.init.kind !== "derived") return new Float64Array(base(weight));
    const { recipe, from, attrs } = weight.init;
    const { run, costly } = recipeOf(recipe);
    const formula = costly ? formulaOf(weight) : "";
    const known = products.get(formula);
    if (known) return known.slice();
    const sources = from.map((w) => ({ shape: shapeOf(w), data: exact(w) }));
    const out = run(sources, attrs, shapeOf(weight));
    invariant(out.length === numel(weight.value.type.shape), `recipe ${recipe} made ${out.length} values for ${weight.path}`);
    if (costly) products.set(formula, out.slice());
    return out;
  };

  const read = (weight: Weight): Float32Array => {
    if (weight.init.kind !== "derived") return base(weight);
    const { recipe, from, attrs } = weight.init;
    const { run, inPlace } = recipeOf(recipe);
    const [first, ...rest] = from;
    if (!inPlace || first === undefined || first.init.kind === "derived") return new Float32Array(exact(weight));
    const values = base(first);
    // the recipe leaves its result in `values`; its types only know f64
    const source = { shape: shapeOf(first), data: values as unknown as Float64Array };
    run([source, ...rest.map((w) => ({ shape: shapeOf(w), data: exact(w) }))], attrs, shapeOf(weight));
    return values;
  };

  return { read, readExact: exact };
}
