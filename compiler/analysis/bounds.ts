/** How far an f32 result may be from the f64 reference: per node, and derived for a whole net (kernels.md section 1). */
import { must } from "../invariant.ts";
import type { Graph, Node, Value } from "../ir/graph.ts";
import { f32 } from "../ir/type.ts";
import { opOf } from "../ops/index.ts";
import type { OpDef, Tensor } from "../ops/op.ts";
import { mapTensor } from "../ops/tensor.ts";
import { inputValues, lastReaders, weightsOf } from "../reference/run.ts";
import type { WeightReader } from "../weights/source.ts";

/** 2^-23: the distance from 1 to the next f32. */
export const EPSILON = 2 ** -23;

/**
 * Allowed absolute error of every element of an op's output, on the same f32 inputs.
 * `output` is the reference's. A contraction's A comes from the reference on absolute values.
 */
export function allowedError(
  op: OpDef,
  inputs: readonly Tensor[],
  weights: Readonly<Record<string, Tensor>>,
  attrs: unknown,
  output: Tensor,
): Float64Array {
  const { bound } = op;
  const own = attrs as never;
  switch (bound.kind) {
    case "exact":
      return new Float64Array(output.data.length);
    case "contraction": {
      const types = inputs.map((t) => f32(...t.shape));
      const factor = 4 * Math.sqrt(bound.products(types, own)) * EPSILON;
      const absolute = Object.fromEntries(Object.entries(weights).map(([name, t]) => [name, mapTensor(t, Math.abs)]));
      const sums = op.reference(
        inputs.map((t) => mapTensor(t, Math.abs)),
        absolute,
        own,
      );
      return sums.data.map((a) => factor * a);
    }
    case "rounding":
      return output.data.map((y) => EPSILON * Math.abs(y));
    case "ulps": {
      const factor = bound.ulps * EPSILON;
      if (bound.relative) return output.data.map((y) => factor * Math.abs(y));
      if (!bound.scaled) return new Float64Array(output.data.length).fill(factor);
      const input = must(inputs[0], "input of an activation");
      return input.data.map((v) => factor * (1 + Math.abs(v)));
    }
    case "custom":
      return bound.of(inputs, weights, own, output);
  }
}

/** What is lost of a value, at most, when f16 stores it, round to nearest: half a step of 11 bits, or of the subnormal numbers. */
export const halfRounding = (value: number): number => Math.max(2 ** -11 * Math.abs(value), 2 ** -25);

export interface DerivedBound {
  readonly output: string;
  /** 3 x the largest change of any element in any draw. */
  readonly allowed: number;
  /** Largest absolute value of the output: allowed / largest is the relative bound. */
  readonly largest: number;
  /** The undisturbed reference's output itself. */
  readonly exact: Tensor;
}

export interface DerivedOptions {
  readonly batch?: number;
  /** Default 1. */
  readonly seed?: number;
  /** Default 4. */
  readonly draws?: number;
  /** Maps and the weights of contractions are stored in f16, sums are f32: copies have both moved by what that loses, too. Default false. */
  readonly half?: boolean;
  /** Sees every node's local bound, of the undisturbed run. */
  readonly tap?: (node: Node, output: Tensor, allowed: Float64Array) => void;
}

/** Random bits by xorshift32: one sign for each element, the same on every machine. */
function signs(seed: number): () => 1 | -1 {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0x10000 ? 1 : -1;
  };
}

/** The tensors of a contraction, with what f16 loses of its weight added or taken away; biases stay f32. */
function movedWeight(own: Readonly<Record<string, Tensor>>, sign: () => 1 | -1): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(own).map(([name, t]) => [name, name === "weight" ? mapTensor(t, (v) => v + sign() * halfRounding(v)) : t]),
  );
}

/**
 * The whole net's bound: the reference beside `draws` copies of itself in which every layer's output is moved by plus or minus its local
 * bound. All copies advance together, so that a value lives no longer than its readers.
 */
export function derivedBounds(
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  weights: WeightReader,
  { batch, seed = 1, draws = 4, half = false, tap }: DerivedOptions = {},
): DerivedBound[] {
  const plain = inputValues(graph, inputs, batch);
  const moved = Array.from({ length: draws }, () => new Map(plain));
  // the multiplier spreads neighbouring seeds (Knuth's multiplicative hash)
  const coin = Array.from({ length: draws }, (_, d) => signs(Math.imul(seed * draws + d + 1, 0x9e3779b1)));
  const tensorsOf = weightsOf(graph, weights);
  const last = lastReaders(graph);
  const outputs = new Set(graph.outputs.map((o) => o.value.id));
  const read = (values: ReadonlyMap<number, Tensor>, v: Value): Tensor => must(values.get(v.id), `value ${v.name}`);

  for (const [i, node] of graph.nodes.entries()) {
    const op = opOf(node.op);
    const own = tensorsOf(node);
    const run = (values: ReadonlyMap<number, Tensor>, tensors: Readonly<Record<string, Tensor>>): Tensor =>
      op.reference(
        node.inputs.map((v) => read(values, v)),
        tensors,
        node.attrs as never,
      );
    const output = run(plain, own);
    const halfWeights = half && op.bound.kind === "contraction";
    const halfMap = half && output.shape.length === 4 && !outputs.has(node.output.id);
    const allowed = allowedError(
      op,
      node.inputs.map((v) => read(plain, v)),
      own,
      node.attrs,
      output,
    );
    tap?.(node, output, allowed);
    for (const [d, values] of moved.entries()) {
      const sign = coin[d] as () => 1 | -1;
      const copy = run(values, halfWeights ? movedWeight(own, sign) : own);
      const by = halfMap ? allowed.map((a, k) => a + halfRounding(output.data[k] as number)) : allowed;
      values.set(node.output.id, { shape: copy.shape, data: copy.data.map((v, k) => v + sign() * (by[k] as number)) });
    }
    plain.set(node.output.id, output);
    for (const v of [...node.inputs, node.output]) if (last.get(v.id) === i) for (const values of [plain, ...moved]) values.delete(v.id);
  }

  return graph.outputs.map(({ name, value }) => {
    const reference = read(plain, value);
    const exact = reference.data;
    let change = 0;
    for (const values of moved) {
      const other = read(values, value).data;
      for (let k = 0; k < exact.length; k++) change = Math.max(change, Math.abs((other[k] as number) - (exact[k] as number)));
    }
    const largest = exact.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    return { output: name, allowed: 3 * change, largest, exact: reference };
  });
}
