/** PyTorch as judge of a target: whole nets at full size, weights loaded as a user loads them (torch.test.ts, gpu/torch.test.ts). */
import { describe, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { parseBackendOptions } from "../../backends/registry.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import {
  askTorchAll,
  differenceFromTorch,
  findTorch,
  readerOfCase,
  recorded,
  type TorchCase,
  type TorchOutput,
  torchCases,
  torchInput,
} from "./torch.ts";

/** The only output of a net on a target; the reason when the target cannot run here. */
export async function outputOn(
  backend: Backend,
  graph: Graph,
  weights: WeightReader,
  batch: number,
  inputs: Readonly<Record<string, Float32Array>>,
): Promise<Float32Array | string> {
  const diagnostics = new Diagnostics();
  const options = parseBackendOptions(backend, {}, diagnostics);
  const emitted = emitTarget({ backend, graph, options, weights, batch, level: 2, diagnostics, source: "net.se" });
  expect(diagnostics.all).toEqual([]);
  const runner = await backend.runner?.(emitted.artifacts, graph.name);
  if (!runner || "unavailable" in runner) return runner?.unavailable ?? "no runner";
  try {
    const outputs = Object.values(await runner.run(inputs));
    expect(outputs.length).toBe(1);
    return outputs[0] as Float32Array;
  } finally {
    await runner.close();
  }
}

const asked = new Map<string, TorchOutput>();

/** PyTorch's own answers for all nets, from one process that can leave their weights in a folder; undefined where there is none. */
export function torchItself(weights?: string): ReadonlyMap<string, TorchOutput> | undefined {
  const command = findTorch();
  if (command === undefined) return undefined;
  const nets = [...new Set(torchCases.map((c) => c.judge))].map((net) => ({ net }));
  if (asked.size === 0)
    for (const output of askTorchAll(command, nets, weights === undefined ? {} : { weights })) asked.set(output.net, output);
  return asked;
}

export function describeTorch(backend: Backend, cases: readonly TorchCase[] = torchCases): void {
  const limit = backend.wholeNetLimit as number;
  describe(`${backend.name} against PyTorch, within ${limit} of the largest output`, () => {
    for (const c of cases) {
      test(c.title, async (context) => {
        const graph = c.graph();
        const ours = await outputOn(backend, graph, readerOfCase(c, graph), c.batch, torchInput(graph, c.batch));
        if (typeof ours === "string") {
          if (process.env.CI) throw new Error(ours);
          return context.skip(ours);
        }
        const theirs = recorded(c.judge);
        const difference = differenceFromTorch(ours, theirs);
        console.log(`${c.title} on ${backend.name}: ${difference.toExponential(1)} of the largest output from PyTorch ${theirs.torch}`);
        expect(difference).toBeLessThanOrEqual(limit);
        const all = torchItself()?.get(c.judge);
        if (all) expect(differenceFromTorch(ours, all)).toBeLessThanOrEqual(limit);
        else if (process.env.CI) throw new Error("python3 with torch and torchvision is not installed");
        // PyTorch itself takes its time on a busy machine
      }, 600_000);
    }
  });
}
