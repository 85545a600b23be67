/** Compares what a target computes with the f64 reference: per output, and layer by layer when they differ (`sec verify`, net tests). */
import { derivedBounds } from "../compiler/analysis/bounds.ts";
import type { Diagnostics } from "../compiler/diagnostics/diagnostic.ts";
import { must } from "../compiler/invariant.ts";
import type { Graph, Node } from "../compiler/ir/graph.ts";
import type { Tensor } from "../compiler/ops/op.ts";
import type { OptimizeLevel } from "../compiler/passes/pass.ts";
import { boundShape, rounded, runReference } from "../compiler/reference/run.ts";
import type { NetTree } from "../compiler/semantics/tree.ts";
import type { WeightReader } from "../compiler/weights/source.ts";
import type { Backend, Runner, Tensors } from "./backend.ts";
import { emitTarget } from "./emit.ts";

export interface VerifyRequest {
  readonly graph: Graph;
  readonly weights: WeightReader;
  readonly batch: number;
  readonly level: OptimizeLevel;
  /** One record of inputs by name for every sample. */
  readonly samples: readonly Tensors[];
  readonly diagnostics: Diagnostics;
  readonly source: string;
  /** As in `EmitContext`; layers are compared without it. */
  readonly tree?: NetTree | undefined;
  /** Tightens the derived bounds, never loosens them; relative to the largest value of an output. */
  readonly tolerance?: number | undefined;
  /** How many disturbed copies of the reference the bounds come from; default 4. Fewer are faster and give the smaller bound. */
  readonly draws?: number;
  /** How often each sample runs, every run held to the bound; default 1. A module may do more in its first runs than in all others. */
  readonly runs?: number;
}

export interface Reference {
  /** Outputs of every sample. */
  readonly outputs: readonly Readonly<Record<string, Tensor>>[];
  /** Absolute bound and largest value of each output. */
  readonly bounds: ReadonlyMap<string, { readonly allowed: number; readonly largest: number }>;
}

export interface OutputVerdict {
  readonly name: string;
  readonly maxAbs: number;
  /** maxAbs over the largest reference value of the output. */
  readonly maxRel: number;
  /** Absolute. */
  readonly bound: number;
  readonly verdict: "pass" | "fail";
}

export interface LayerVerdict {
  readonly path: string;
  readonly op: string;
  readonly maxAbs: number;
  readonly bound: number;
  readonly verdict: "pass" | "fail";
  /** How many elements are over the bound, of how many, and the first of them. */
  readonly over: number;
  readonly of: number;
  readonly first?: readonly number[];
}

export interface TargetVerdict {
  readonly target: string;
  readonly runtime?: string;
  readonly outputs: readonly OutputVerdict[];
  readonly firstDivergence?: LayerVerdict;
  readonly layers?: readonly LayerVerdict[];
  readonly verdict: "pass" | "fail" | "skipped";
  readonly reason?: string;
}

const toTensors = (graph: Graph, inputs: Tensors, batch: number): Record<string, Tensor> =>
  Object.fromEntries(
    graph.inputs.map((v) => [
      v.name,
      { shape: boundShape(v.type, batch), data: Float64Array.from(must(inputs[v.name], `input ${v.name}`)) },
    ]),
  );

/** Runs the reference on every sample. The bounds are derived on the first one: they depend on magnitudes, not on the particular values. */
export function referenceOf(request: VerifyRequest): Reference {
  const { graph, batch, samples, tolerance, draws = 4 } = request;
  const weights = rounded(request.weights);
  const [first, ...others] = samples;
  const bounds = derivedBounds(graph, toTensors(graph, must(first, "sample"), batch), weights, { batch, draws });
  const outputs = [
    Object.fromEntries(bounds.map((b) => [b.output, b.exact])),
    ...others.map((s) => runReference(graph, toTensors(graph, s, batch), weights, { batch })),
  ];
  const largestOf = (name: string): number =>
    outputs.reduce((top, o) => must(o[name], name).data.reduce((m, v) => Math.max(m, Math.abs(v)), top), 0);
  return {
    outputs,
    bounds: new Map(
      bounds.map((b) => {
        const largest = largestOf(b.output);
        const allowed = tolerance === undefined ? b.allowed : Math.min(b.allowed, tolerance * largest);
        return [b.output, { allowed, largest }];
      }),
    ),
  };
}

/**
 * Largest allowed error of f16 storage, relative to the largest value: rounding to 11 bits after every layer of a deep net. The bound derived
 * for a net and f16 (`derivedBounds`, `half`) is larger for many nets.
 */
export const HALF_LIMIT = 5e-3;

/** Largest absolute difference; NaN counts as infinite. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs((a[i] as number) - (b[i] as number));
    if (!(d <= most)) most = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
  }
  return most;
}

async function start(backend: Backend, options: unknown, graph: Graph, request: VerifyRequest): Promise<Runner | string> {
  const { weights, batch, level, diagnostics, source } = request;
  if (!backend.runner) return `${backend.name} has no runner`;
  const tree = graph === request.graph ? request.tree : undefined;
  const emitted = emitTarget({ backend, graph, options, weights, batch, level, diagnostics, source, tree });
  const runner = await backend.runner(emitted.artifacts, graph.name);
  return "unavailable" in runner ? runner.unavailable : runner;
}

/** Runs one target on all samples. `layers` compares every layer even when the outputs agree. */
export async function verifyTarget(
  backend: Backend,
  options: unknown,
  request: VerifyRequest,
  reference: Reference,
  layers = false,
): Promise<TargetVerdict> {
  const runner = await start(backend, options, request.graph, request);
  if (typeof runner === "string") return { target: backend.name, outputs: [], verdict: "skipped", reason: runner };
  const worst = new Map<string, number>();
  try {
    for (const [i, sample] of request.samples.entries()) {
      for (let run = 0; run < (request.runs ?? 1); run++) {
        const got = await runner.run(sample);
        for (const [name, tensor] of Object.entries(must(reference.outputs[i], "reference"))) {
          worst.set(name, Math.max(worst.get(name) ?? 0, difference(must(got[name], `output ${name}`), tensor.data)));
        }
      }
    }
  } finally {
    await runner.close();
  }
  const outputs = [...worst].map(([name, maxAbs]): OutputVerdict => {
    const { allowed, largest } = must(reference.bounds.get(name), `bound of ${name}`);
    const bound = runner.half
      ? Math.min(HALF_LIMIT, request.tolerance ?? HALF_LIMIT) * largest
      : Math.min(allowed, (backend.wholeNetLimit ?? Number.POSITIVE_INFINITY) * largest);
    return { name, maxAbs, maxRel: largest > 0 ? maxAbs / largest : maxAbs, bound, verdict: maxAbs <= bound ? "pass" : "fail" };
  });
  const failed = outputs.some((o) => o.verdict === "fail");
  const compared = failed || layers ? await compareLayers(backend, options, request) : undefined;
  const firstDivergence = compared?.find((l) => l.verdict === "fail");
  return {
    target: backend.name,
    runtime: runner.runtime,
    outputs,
    ...(failed && firstDivergence ? { firstDivergence } : {}),
    ...(failed && !firstDivergence
      ? { reason: "every layer is within its own bound when its value is kept; the difference comes from fusing layers: try -O 0" }
      : {}),
    ...(layers && compared ? { layers: compared } : {}),
    verdict: failed ? "fail" : "pass",
  };
}

const outputName = (i: number): string => `layer ${i}`;

/**
 * Every layer's value on the first sample, each against a bound derived for it: the first one over its bound is where the target goes wrong.
 * Of several runs, at least two, the first in which a layer is.
 */
export async function compareLayers(backend: Backend, options: unknown, request: VerifyRequest): Promise<LayerVerdict[] | undefined> {
  const { graph, batch } = request;
  const runs = Math.max(2, request.runs ?? 0);
  const sample = must(request.samples[0], "sample");
  const given = new Set(graph.inputs);
  const nodes = graph.nodes.filter((n) => !given.has(n.output));
  const tapped: Graph = { ...graph, outputs: nodes.map((n, i) => ({ name: outputName(i), value: n.output })) };
  const weights = rounded(request.weights);
  const tensors = toTensors(graph, sample, batch);
  const expected = runReference(tapped, tensors, weights, { batch });
  const bounds = new Map(derivedBounds(tapped, tensors, weights, { batch, draws: 2 }).map((b) => [b.output, b.allowed]));
  const runner = await start(backend, options, tapped, request);
  if (typeof runner === "string") return undefined;
  try {
    for (let run = 1; ; run++) {
      const got = await runner.run(sample);
      const verdicts = nodes.map((n, i) => {
        const value = must(expected[outputName(i)], n.path);
        const derived = bounds.get(outputName(i)) ?? 0;
        const bound = runner.half ? Math.max(derived, HALF_LIMIT * value.data.reduce((m, v) => Math.max(m, Math.abs(v)), 0)) : derived;
        return layerVerdict(n, value, must(got[outputName(i)], n.path), bound);
      });
      if (run >= runs || verdicts.some((v) => v.verdict === "fail")) return verdicts;
    }
  } finally {
    await runner.close();
  }
}

function layerVerdict(node: Node, expected: Tensor, got: Float32Array, bound: number): LayerVerdict {
  const maxAbs = difference(got, expected.data);
  let over = 0;
  let first = -1;
  for (let i = 0; i < got.length; i++) {
    if (Math.abs((got[i] as number) - (expected.data[i] as number)) <= bound) continue;
    over++;
    if (first < 0) first = i;
  }
  const coordinates = (at: number): number[] => {
    const out: number[] = [];
    let rest = at;
    for (const size of [...expected.shape].reverse()) {
      out.unshift(rest % size);
      rest = Math.floor(rest / size);
    }
    return out;
  };
  return {
    path: node.path,
    op: node.op,
    maxAbs,
    bound,
    verdict: maxAbs <= bound ? "pass" : "fail",
    over,
    of: got.length,
    ...(first < 0 ? {} : { first: coordinates(first) }),
  };
}
