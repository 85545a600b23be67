/** Seeded values, and graphs made of an op's samples: what `conformance` runs on a backend. */
import { allowedError } from "../compiler/analysis/bounds.ts";
import { invariant } from "../compiler/invariant.ts";
import { graphBuilder } from "../compiler/ir/build.ts";
import type { Graph, Weight } from "../compiler/ir/graph.ts";
import { f32, numel } from "../compiler/ir/type.ts";
import { applyOp } from "../compiler/ops/apply.ts";
import { opOf } from "../compiler/ops/index.ts";
import { isProblem, type OpDef, type Tensor } from "../compiler/ops/op.ts";
import { rounded, weightsOf } from "../compiler/reference/run.ts";
import { type Origin, sourceFile, span } from "../compiler/source.ts";
import { bits } from "../compiler/weights/init.ts";
import { recipeOf } from "../compiler/weights/recipes.ts";
import type { WeightReader } from "../compiler/weights/source.ts";
import type { Tensors } from "./backend.ts";

/** Where the nodes of test graphs say they come from. */
export const testOrigin: Origin = { span: span(sourceFile("sample.se", "se 1\n"), 0, 4), via: [] };

/** `count` f32 values, uniform in `range`; the same for the same key on every machine. */
export function seededValues(key: string, count: number, [low, high]: readonly [number, number] = [-2, 2]): Float32Array {
  const next = bits(key, 0);
  return Float32Array.from({ length: count }, () => low + (high - low) * ((next() >>> 0) / 2 ** 32));
}

/** Every tensor uniform in [-1, 1] by its path, variances in [0.5, 2], each value as `round` leaves it; derived ones by their recipes. */
export function sampleReader(round: (value: number) => number = (value) => value): WeightReader {
  const exact = (weight: Weight): Float64Array => {
    const shape = weight.value.type.shape as readonly number[];
    if (weight.init.kind === "derived") {
      const { recipe, from, attrs } = weight.init;
      const sources = from.map((w) => ({ shape: w.value.type.shape as readonly number[], data: exact(w) }));
      return recipeOf(recipe).run(sources, attrs, shape);
    }
    const variance = weight.path.endsWith("running_var");
    return Float64Array.from(seededValues(weight.path, numel(shape), variance ? [0.5, 2] : [-1, 1]), round);
  };
  return { read: (weight) => Float32Array.from(exact(weight)), readExact: exact };
}

export const sampleWeights: WeightReader = sampleReader();

/** An op's samples side by side in one graph: output `s3` is sample 3 on inputs `s3_0`, `s3_1`. One module, one set-up of a device. */
export function sampleGraph(name: string, op: OpDef): Graph {
  const builder = graphBuilder(`op_${name}`);
  op.samples.forEach((sample, i) => {
    const inputs = sample.inputs.map((shape, k) => builder.input(`s${i}_${k}`, f32(...shape)));
    const value = applyOp(builder, name, inputs, sample.attrs, { path: `s${i}`, origin: testOrigin });
    invariant(!isProblem(value as never), `sample "${sample.name}" of ${name}: ${JSON.stringify(value)}`);
    builder.output(`s${i}`, value as Exclude<typeof value, { problem: unknown }>);
  });
  return builder.finish();
}

/** Inputs of `sampleGraph`. */
export function sampleInputs(name: string, op: OpDef): Tensors {
  const inputs: Record<string, Float32Array> = {};
  op.samples.forEach((sample, i) => {
    sample.inputs.forEach((shape, k) => {
      inputs[`s${i}_${k}`] = seededValues(`${name} ${i} ${k}`, numel(shape), sample.range);
    });
  });
  return inputs;
}

/** One line for each sample of `sampleGraph` that is out of bounds. */
export function sampleFaults(graph: Graph, inputs: Tensors, outputs: Tensors): string[] {
  const tensors = weightsOf(graph, rounded(sampleWeights));
  return graph.nodes.flatMap((node, i) => {
    const op = opOf(node.op);
    const own = tensors(node);
    const arrays = node.inputs.map((v) => ({
      shape: v.type.shape as readonly number[],
      data: Float64Array.from(inputs[v.name] as Float32Array),
    }));
    const want = op.reference(arrays, own, node.attrs as never);
    const allowed = allowedError(op, arrays, own, node.attrs, want);
    const fault = mismatch(outputs[node.path], want.data, want.shape, allowed);
    return fault === undefined ? [] : [`${node.op}, sample "${op.samples[i]?.name}": ${fault}`];
  });
}

/** Inputs of any graph, uniform in [-2, 2], by name and `key`. */
export function graphInputs(graph: Graph, batch: number, key: string): Tensors {
  return Object.fromEntries(
    graph.inputs.map((v) => {
      const shape = v.type.shape.map((d) => (typeof d === "number" ? d : batch));
      return [v.name, seededValues(`${key} ${v.name}`, numel(shape))];
    }),
  );
}

/** The same inputs in f64 with their shapes, for the reference. */
export function referenceInputs(graph: Graph, batch: number, inputs: Tensors): Record<string, Tensor> {
  return Object.fromEntries(
    graph.inputs.map((v) => {
      const shape = v.type.shape.map((d) => (typeof d === "number" ? d : batch));
      return [v.name, { shape, data: Float64Array.from(inputs[v.name] as Float32Array) }];
    }),
  );
}

/** Undefined when every element is within its bound; else where it is not, in words. `allowed` is per element or one for all. */
export function mismatch(
  got: Float32Array | undefined,
  want: Float64Array,
  shape: readonly number[],
  allowed: Float64Array | number,
): string | undefined {
  if (!got) return "the output is missing";
  if (got.length !== want.length) return `${got.length} values instead of ${want.length}`;
  let wrong = 0;
  let first: string | undefined;
  for (let i = 0; i < want.length; i++) {
    const bound = typeof allowed === "number" ? allowed : (allowed[i] as number);
    const error = Math.abs((got[i] as number) - (want[i] as number));
    // written so that NaN counts as wrong
    if (error <= bound) continue;
    wrong++;
    first ??= `first at [${coordinates(i, shape)}]: ${got[i]} instead of ${want[i]}, error ${error.toExponential(2)}, bound ${bound.toExponential(2)}`;
  }
  return wrong === 0 ? undefined : `${wrong} of ${want.length} elements are wrong, ${first}`;
}

function coordinates(offset: number, shape: readonly number[]): string {
  let rest = offset;
  const at: number[] = [];
  for (const size of [...shape].reverse()) {
    at.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return at.join(", ");
}
