/** Modules of the wasm target as a project gets them, for tests of what they do when they run. */
import { expect, onTestFinished } from "vitest";
import type { Artifact, Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { sampleWeights } from "../../backends/testing-samples.ts";
import { wasm } from "../../backends/wasm/index.ts";
import { runModule, type WasmRunner, type WasmRunOptions } from "../../backends/wasm/run.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
// its flag lets Node 20 run the relaxed binary
import "./engine.ts";

export function emit(graph: Graph, batch: number): readonly Artifact[] {
  const diagnostics = new Diagnostics();
  const { artifacts } = emitTarget({
    backend: wasm as unknown as Backend,
    graph,
    options: { inline: false, threads: true },
    weights: sampleWeights,
    batch,
    level: 2,
    diagnostics,
    source: "sample.se",
    verify: true,
  });
  expect(diagnostics.all).toEqual([]);
  return artifacts;
}

/** Closed when the test is over. */
export async function start(files: readonly Artifact[], net: string, options: WasmRunOptions): Promise<WasmRunner> {
  const runner = await runModule(files, net, options);
  onTestFinished(() => runner.close());
  return runner;
}
