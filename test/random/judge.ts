/** What a target makes of a random net, against the f64 reference within the bound derived for the net. */
import fc from "fast-check";
import { test } from "vitest";
import type { Backend, Tensors } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { parseBackendOptions } from "../../backends/registry.ts";
import { graphInputs, mismatch, referenceInputs, sampleWeights } from "../../backends/testing-samples.ts";
import { derivedBounds } from "../../compiler/analysis/bounds.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import { opRules } from "../../compiler/ops/rules.ts";
import type { OptimizeLevel } from "../../compiler/passes/pass.ts";
import { rounded } from "../../compiler/reference/run.ts";
import { type RandomNet, randomNet } from "./random-net.ts";

/** Values that say nothing about rounding any more. */
const HUGE = 1e15;

/** One line for each output that is out of bounds; undefined when this machine cannot run the target. */
async function faults(backend: Backend, { graph, batch }: RandomNet, level: OptimizeLevel, threads: number): Promise<string[] | string> {
  const diagnostics = new Diagnostics();
  const options = parseBackendOptions(backend, {}, diagnostics);
  const context = { backend, graph, options, weights: sampleWeights, batch, level, diagnostics, source: "random.se", verify: true };
  const { artifacts } = emitTarget(context);
  if (diagnostics.hasErrors) return diagnostics.all.map((d) => `refused: ${d.title}`);
  const inputs = graphInputs(graph, batch, "random");
  const bounds = derivedBounds(graph, referenceInputs(graph, batch, inputs), rounded(sampleWeights), { batch });
  if (bounds.some(({ exact }) => exact.data.some((v) => !(Math.abs(v) < HUGE)))) return [];
  const runner = await backend.runner?.(artifacts, graph.name, { threads });
  if (!runner || "unavailable" in runner) return runner?.unavailable ?? "no runner";
  try {
    const first = await runner.run(inputs);
    const second = await runner.run(inputs);
    return bounds.flatMap(({ output, allowed, exact }) => {
      const fault = mismatch(first[output], exact.data, exact.shape, allowed) ?? changed(first, second, output);
      return fault === undefined ? [] : [`${output}: ${fault}`];
    });
  } finally {
    await runner.close();
  }
}

const changed = (first: Tensors, second: Tensors, output: string): string | undefined =>
  first[output]?.every((v, i) => Object.is(v, second[output]?.[i])) ? undefined : "another run gives other values";

export interface RandomOptions {
  readonly nets: number;
  readonly level?: OptimizeLevel;
  readonly threads?: number;
}

/** `SEC_RANDOM_NETS=1000` looks at more nets than CI does, others every time. */
const MORE = Number(process.env.SEC_RANDOM_NETS ?? 0);

export function randomNets(backend: Backend, { nets, level = 2, threads = 1 }: RandomOptions): void {
  test(`${backend.name}: random nets, -O${level}, threads ${threads}`, { timeout: MORE > 0 ? 3_600_000 : 300_000 }, async (context) => {
    let unavailable: string | undefined;
    await fc.assert(
      fc.asyncProperty(randomNet, async (net) => {
        const found = await faults(backend, net, level, threads);
        if (typeof found === "string") unavailable = found;
        else if (found.length > 0) throw new Error(`batch ${net.batch}\n${found.join("\n")}\n${printGraph(net.graph, opRules)}`);
      }),
      MORE > 0 ? { numRuns: MORE } : { numRuns: nets, seed: 20_180_622 },
    );
    if (unavailable === undefined) return;
    if (process.env.CI !== undefined) throw new Error(unavailable);
    context.skip(unavailable);
  });
}
