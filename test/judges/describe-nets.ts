/** Whole nets as tests: each on a target against the f64 reference, within the limits that `sec verify` has. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { onnx } from "../../backends/onnx/index.ts";
import { parseBackendOptions } from "../../backends/registry.ts";
import { tfjs } from "../../backends/tfjs/index.ts";
import { type Reference, referenceOf, type VerifyRequest, verifyTarget } from "../../backends/verify.ts";
import { wasm } from "../../backends/wasm/index.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { settledReader } from "./settled-weights.ts";
import { useTfjs } from "./tfjs-backend.ts";
import { inputsOf, smallGraph, type WholeNet } from "./whole-nets.ts";

interface Prepared {
  readonly request: VerifyRequest;
  readonly reference: Reference;
}

/**
 * ONNX Runtime folds batch norms into the weights before them in f32. On the deepest net that makes 1.7e-5 of the largest logit, more than its
 * limit; folded by us, in f64, 6.3e-6 is left (version 1.30). All other nets keep their norms and are within 1e-5.
 */
const OPTIONS: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>> = {
  torchvision_efficientnet_b7: { onnx: { fold: "true" } },
};

function prepare(net: WholeNet): Prepared {
  const graph = smallGraph(net);
  const inputs = inputsOf(graph, 1);
  const request: VerifyRequest = {
    graph,
    weights: settledReader(graph, inputs, 1),
    batch: 1,
    level: 2,
    samples: [inputs],
    diagnostics: new Diagnostics(),
    source: net.file,
    // one copy of the reference beside it: less work, and a smaller bound than from four
    draws: 1,
    // wasm brings large weights to their places before the second
    runs: 2,
  };
  return { request, reference: referenceOf(request) };
}

/** Net, its input, then how long each target took to compile, load and run it; what failed or was skipped has no time. */
function timeTable(rows: ReadonlyMap<string, readonly string[]>, targets: readonly string[]): string {
  const lines = [["net", "input", ...targets], ...[...rows].map(([net, cells]) => [net, ...cells])];
  const widths = (lines[0] as string[]).map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length)));
  return lines
    .map((line) => widths.map((w, i) => (i < 2 ? (line[i] ?? "").padEnd(w) : (line[i] ?? "-").padStart(w))).join("  "))
    .join("\n");
}

/** One test per net and target. The reference runs once per net. Each prints its worst relative error and its time; a table closes. */
export function describeNets(nets: readonly WholeNet[], backends: readonly Backend[]): void {
  const rows = new Map<string, string[]>();
  afterAll(() => {
    console.log(
      timeTable(
        rows,
        backends.map((b) => b.name),
      ),
    );
  });
  describe.each(nets.map((net) => [net.net, net] as const))("%s", (name, net) => {
    let prepared: Prepared | undefined;
    // the last target lets go of the weights: senet154's alone are half a gigabyte
    const release = (i: number): void => {
      if (i === backends.length - 1) prepared = undefined;
    };
    for (const [i, backend] of backends.entries()) {
      test(`on ${backend.name}`, async (context) => {
        prepared ??= prepare(net);
        const { request, reference } = prepared;
        release(i);
        const begin = performance.now();
        const verdict = await verifyTarget(
          backend,
          parseBackendOptions(backend, OPTIONS[name]?.[backend.name] ?? {}, request.diagnostics),
          request,
          reference,
        );
        const ms = Math.round(performance.now() - begin);
        expect(request.diagnostics.all).toEqual([]);
        if (verdict.verdict === "skipped") {
          if (process.env.CI) throw new Error(verdict.reason);
          return context.skip(verdict.reason);
        }
        const shape = request.graph.inputs.map((v) => v.type.shape.join("×")).join(", ");
        const worst = Math.max(...verdict.outputs.map((o) => o.maxRel)).toExponential(1);
        console.log(`${name} ${shape} on ${backend.name} (${verdict.runtime}): ${worst} of the largest value, ${ms} ms`);
        const cells = rows.get(name) ?? [shape];
        cells[i + 1] = `${ms} ms`;
        rows.set(name, cells);
        // with the layer where it goes wrong, when it does
        expect(verdict).toEqual({ ...verdict, verdict: "pass", outputs: verdict.outputs.map((o) => ({ ...o, verdict: "pass" })) });
        expect(verdict.firstDivergence).toBeUndefined();
        // the limit of whole nets is in force, not only the looser derived bound
        const limit = backend.wholeNetLimit ?? 0;
        for (const o of verdict.outputs) expect(o.bound).toBeLessThanOrEqual(limit * (reference.bounds.get(o.name)?.largest ?? 0));
      });
    }
  });
}

/** The targets that need no GPU; TensorFlow.js with its WebAssembly backend, which is the faster one. */
export function describeOnNode(nets: readonly WholeNet[]): void {
  beforeAll(async () => {
    await useTfjs("wasm");
  });
  describeNets(nets, [cpu, onnx, tfjs, wasm] as unknown as Backend[]);
}
