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
}

const shapeOf = (weight: Weight): readonly number[] => weight.value.type.shape as readonly number[];

/**
 * Nothing is cached: a tensor is made when it is asked for, and asking twice gives equal arrays. So the memory in use is that of one
 * tensor and, for derived ones, its sources in f64.
 */
export function weightReader(options: ReaderOptions = {}): WeightReader {
  const { plan, file, seed = 0 } = options;

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
      return initialValues(weight.init, weight.path, count, seed);
    })();
    invariant(values.length === count, `${weight.path} has ${values.length} values, not ${count}`);
    if (weight.preserve && (plan === undefined || plan.freshGroups.has(weight.preserve.group))) {
      // a power of two: exact in f32
      for (let i = 0; i < values.length; i++) values[i]! *= weight.preserve.factor;
    }
    return values;
  };

  const exact = (weight: Weight): Float64Array => {
    if (weight.init.kind !== "derived") return Float64Array.from(base(weight));
    const { recipe, from, attrs } = weight.init;
    const sources = from.map((w) => ({ shape: shapeOf(w), data: exact(w) }));
    const out = recipeOf(recipe).run(sources, attrs, shapeOf(weight));
    invariant(out.length === numel(weight.value.type.shape), `recipe ${recipe} made ${out.length} values for ${weight.path}`);
    return out;
  };

  return {
    read: (weight) => (weight.init.kind === "derived" ? Float32Array.from(exact(weight)) : base(weight)),
    readExact: exact,
  };
}
