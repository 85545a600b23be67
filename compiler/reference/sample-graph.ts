/** An op's sample as a graph of one node with inputs and weights made from a seed: what conformance tests and benchmarks run. */
import { invariant } from "../invariant.ts";
import { graphBuilder } from "../ir/build.ts";
import type { Graph, Weight } from "../ir/graph.ts";
import { f32, numel } from "../ir/type.ts";
import { applyOp } from "../ops/apply.ts";
import type { Sample, Tensor } from "../ops/op.ts";
import { elements } from "../ops/tensor.ts";
import { sourceFile, span } from "../source.ts";
import type { WeightReader } from "../weights/source.ts";

export interface SampleGraph {
  /** Inputs "x0", "x1", ...; one output "y". Its batch is bound to the sample's. */
  readonly graph: Graph;
  /** f32 values, in f64 arrays. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** f32 values, so that `read` and `readExact` agree. */
  readonly weights: WeightReader;
}

/** Uniform numbers in [0, 1) by mulberry32: the same on every machine. */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A tensor of f32 values uniform in [low, high]. */
export function randomTensor(shape: readonly number[], seed: number, low = -2, high = 2): Tensor {
  const next = uniform(seed);
  return { shape, data: Float64Array.from({ length: elements(shape) }, () => Math.fround(low + next() * (high - low))) };
}

/** Weights in [-1, 1] whatever their `init` is, variances in [0.25, 2], counters 0. A tensor depends on its path and the seed only. */
export function randomWeights(seed: number): WeightReader {
  const readExact = (weight: Weight): Float64Array => {
    const { shape, dtype } = weight.value.type;
    if (dtype === "i64") return new Float64Array(numel(shape));
    const own = [...weight.path].reduce((h, ch) => (Math.imul(h, 31) + ch.charCodeAt(0)) | 0, seed);
    const variance = weight.path.endsWith("running_var");
    return randomTensor(shape as readonly number[], own, variance ? 0.25 : -1, variance ? 2 : 1).data;
  };
  return { read: (w) => Float32Array.from(readExact(w)), readExact };
}

export function sampleGraph(op: string, sample: Sample<unknown>, seed = 1): SampleGraph {
  const file = sourceFile(`${op}.se`, op);
  const builder = graphBuilder(op);
  const values = sample.inputs.map((shape, i) => builder.input(`x${i}`, f32(...shape)));
  const origin = { span: span(file, 0, op.length), via: [] };
  const output = applyOp(builder, op, values, sample.attrs as Record<string, unknown>, { path: op, origin });
  invariant(!("problem" in output), `sample ${sample.name} of ${op} is refused: ${"problem" in output ? output.problem.title : ""}`);
  builder.output("y", output);
  const [low, high] = sample.range ?? [-2, 2];
  const inputs = Object.fromEntries(sample.inputs.map((shape, i) => [`x${i}`, randomTensor(shape, seed * 1000 + i, low, high)]));
  return { graph: builder.finish(), inputs, weights: randomWeights(seed) };
}
