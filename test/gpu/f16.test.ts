/**
 * Numbers of the webgpu target with f16 storage, which no other test can execute: SwiftShader has no shader-f16. All samples of all ops and
 * small nets with both kinds of kernels, in one process of Deno on Mesa's lavapipe.
 */
import { beforeAll, describe, expect, type TestContext, test } from "vitest";
import type { Artifact, Backend, Tensors } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { referenceNets } from "../../backends/testing-nets.ts";
import { graphInputs, mismatch, referenceInputs, sampleWeights } from "../../backends/testing-samples.ts";
import { HALF_LIMIT } from "../../backends/verify.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { derivedBounds } from "../../compiler/analysis/bounds.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { must } from "../../compiler/invariant.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { allOps } from "../../compiler/ops/index.ts";
import { rounded } from "../../compiler/reference/run.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import { type DenoJob, type DenoOutcome, runInDeno, whyNoDeno } from "../judges/deno.ts";
import { halfSampleFaults, halfSampleGraph, halfSampleInputs, halfWeights } from "../judges/half-samples.ts";
import { settledReader } from "../judges/settled-weights.ts";
import { inputsOf, smallGraph } from "../judges/whole-nets.ts";

function emit(graph: Graph, batch: number, variant: string, weights: WeightReader): readonly Artifact[] {
  const diagnostics = new Diagnostics();
  const { artifacts } = emitTarget({
    backend: webgpu as unknown as Backend,
    graph,
    options: { variant, f16: true },
    weights,
    batch,
    level: 2,
    diagnostics,
    source: "net.se",
  });
  expect(diagnostics.all).toEqual([]);
  return artifacts;
}

/** The ops that have tiles: all others print the same text in both variants. */
const TILED = new Set(["conv", "linear"]);

type Variant = "register" | "tiled";
const VARIANTS: readonly Variant[] = ["register", "tiled"];

const samples = VARIANTS.flatMap((variant) =>
  [...allOps()].filter(([name]) => variant === "register" || TILED.has(name)).map(([name, op]) => ({ variant, name, op })),
);

interface HalfNet {
  readonly graph: Graph;
  readonly batch: number;
  readonly weights: WeightReader;
  readonly inputs: Tensors;
  readonly variants: readonly Variant[];
}

function shipped(file: string, net: string, variants: readonly Variant[]): HalfNet {
  const graph = smallGraph({ file, net });
  const inputs = inputsOf(graph, 1);
  return { graph, batch: 1, inputs, variants, weights: settledReader(graph, inputs, 1) };
}

/** A pipeline takes lavapipe up to a tenth of a second: nets whose kernels the samples have in both forms run in one. */
const nets: readonly HalfNet[] = [
  ...referenceNets().map(
    ({ graph, batch }): HalfNet => ({
      graph,
      batch,
      weights: sampleWeights,
      inputs: graphInputs(graph, batch, "net"),
      variants: ["register"],
    }),
  ),
  shipped("cifar_resnet.se", "cifar_se_resnet20", VARIANTS),
  shipped("mobilenet_v3_small.se", "mobilenet_v3_small", ["register"]),
  shipped("unet_scse.se", "scse_unet", ["tiled"]),
];

const missing = whyNoDeno();
const outcomes = new Map<string, DenoOutcome | string>();

beforeAll(() => {
  if (missing !== undefined) return;
  const jobs: [string, DenoJob][] = [];
  for (const { variant, name, op } of samples) {
    const graph = halfSampleGraph(name, op);
    const files = emit(graph, 1, variant, halfWeights);
    jobs.push([`${variant} ${graph.name}`, { graph, batch: 1, files, inputs: halfSampleInputs(name, op) }]);
  }
  for (const { graph, batch, weights, inputs, variants } of nets) {
    for (const variant of variants) {
      jobs.push([`${variant} ${graph.name}`, { graph, batch, files: emit(graph, batch, variant, weights), inputs }]);
    }
  }
  runInDeno(jobs.map(([, job]) => job)).forEach((outcome, i) => {
    outcomes.set(must(jobs[i], "job")[0], outcome);
  });
}, 300_000);

/** Of a module that ran on f16 kernels. */
function outputsOf(variant: string, net: string, context: TestContext): Tensors {
  if (missing !== undefined) context.skip(missing);
  const outcome = must(outcomes.get(`${variant} ${net}`), net);
  if (typeof outcome === "string") throw new Error(outcome);
  expect(outcome.adapter).toMatchObject({ variant, f16: true });
  return outcome.outputs;
}

describe("samples between maps in f16, within the f32 bound and one rounding to f16", () => {
  for (const { variant, name, op } of samples) {
    test(`${name}, ${variant} kernels`, (context) => {
      const graph = halfSampleGraph(name, op);
      const outputs = outputsOf(variant, graph.name, context);
      expect(halfSampleFaults(graph, name, op, halfSampleInputs(name, op), outputs)).toEqual([]);
    });
  }
});

describe(`nets, within the bound derived for f16 and ${HALF_LIMIT} of the largest output`, () => {
  for (const { graph, batch, weights, inputs, variants } of nets) {
    for (const variant of variants) {
      test(`${graph.name}, ${variant} kernels`, (context) => {
        const outputs = outputsOf(variant, graph.name, context);
        const reference = derivedBounds(graph, referenceInputs(graph, batch, inputs), rounded(weights), { batch, half: true });
        const faults = reference.flatMap(({ output, allowed, exact, largest }) => {
          const got = new Map(Object.entries(outputs)).get(output);
          return mismatch(got, exact.data, exact.shape, Math.min(allowed, HALF_LIMIT * largest)) ?? [];
        });
        expect(faults).toEqual([]);
      });
    }
  }
});
