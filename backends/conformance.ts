/**
 * Everything a backend owes, as vitest tests: `conformance(backend)` is the whole test file of a target. Exported as "sec-compiler/testing".
 *
 *   every sample of every op against the f64 reference, element by element, within the bound of the op's record
 *   small nets with gates in every position, end to end, within the bound derived for the net
 *   the same bytes when asked twice
 *   modules: wrong inputs, damaged weights, calls in order, nets side by side, closing
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Diagnostics } from "../compiler/diagnostics/diagnostic.ts";
import type { Graph } from "../compiler/ir/graph.ts";
import { allOps } from "../compiler/ops/index.ts";
import type { OptimizeLevel } from "../compiler/passes/pass.ts";
import type { Backend, Runner, Tensors, Unavailable } from "./backend.ts";
import { type EmittedTarget, emitTarget } from "./emit.ts";
import { parseBackendOptions } from "./registry.ts";
import { moduleContract } from "./testing-module.ts";
import { netFaults, referenceNets, type TestNet } from "./testing-nets.ts";
import { graphInputs, sampleFaults, sampleGraph, sampleInputs, sampleWeights } from "./testing-samples.ts";

export interface ConformanceOptions {
  /** Options of the target, as in `--set`. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Optimisation levels to test; default 0 and 2. Every level is a module of its own for each op. */
  readonly levels?: readonly OptimizeLevel[];
  /** Fail, instead of skipping, where the target cannot run on this machine. For CI. */
  readonly required?: boolean;
  /** Ops to test; default all. */
  readonly only?: (op: string) => boolean;
  /** Ops the target refuses with a reported problem, each with the reason; that they are refused is tested. */
  readonly refuses?: Readonly<Record<string, string>>;
  /** Factor on the bounds of whole nets (f16 storage); samples are never widened. Default 1. */
  readonly netFactor?: number;
  /** Whether it emits JavaScript modules with `.weights` files, whose contract is tested too. Default true. */
  readonly isModule?: boolean;
}

export function conformance(backend: Backend, options: ConformanceOptions = {}): void {
  const { levels = [0, 2], required = false, only = () => true, refuses = {}, netFactor = 1, isModule = true } = options;
  const problems = new Diagnostics();
  const parsed = parseBackendOptions(backend, options.options ?? {}, problems);
  if (parsed === undefined) throw new Error(problems.all.map((d) => d.title).join("; "));

  /** Without checking for problems. */
  const emit = (graph: Graph, batch: number, level: OptimizeLevel, diagnostics: Diagnostics): EmittedTarget =>
    emitTarget({
      backend,
      graph,
      options: parsed,
      weights: sampleWeights,
      batch,
      level,
      diagnostics,
      source: "sample.se",
      verify: true,
    });
  const emitClean = (graph: Graph, batch: number, level: OptimizeLevel): EmittedTarget => {
    const diagnostics = new Diagnostics();
    const emitted = emit(graph, batch, level, diagnostics);
    expect(diagnostics.all).toEqual([]);
    return emitted;
  };
  /** Runs once and closes. The reason when the target cannot run here. */
  const runOnce = async (emitted: EmittedTarget, net: string, inputs: Tensors): Promise<Tensors | string> => {
    if (!backend.runner) return "the backend has no runner";
    const runner = await backend.runner(emitted.artifacts, net);
    if (isUnavailable(runner)) {
      if (required) throw new Error(runner.unavailable);
      return runner.unavailable;
    }
    try {
      return await runner.run(inputs);
    } finally {
      await runner.close();
    }
  };

  describe(`${backend.name} backend`, () => {
    describe.each(levels)("-O%i: samples of", (level) => {
      for (const [name, op] of allOps()) {
        if (!only(name)) continue;
        const graph = sampleGraph(name, op);
        if (name in refuses) {
          test(`${name} is refused: ${refuses[name]}`, () => {
            const diagnostics = new Diagnostics();
            emit(graph, 1, level, diagnostics);
            expect(diagnostics.hasErrors).toBe(true);
          });
          continue;
        }
        test(name, async (context) => {
          const emitted = emitClean(graph, 1, level);
          sameFiles(emitted, emitClean(graph, 1, level));
          const inputs = sampleInputs(name, op);
          const outputs = await runOnce(emitted, graph.name, inputs);
          if (typeof outputs === "string") return context.skip(outputs);
          expect(sampleFaults(graph, inputs, outputs)).toEqual([]);
        });
      }
    });

    describe.each(levels)("-O%i: net", (level) => {
      for (const net of referenceNets()) {
        test(`${net.graph.name}, batch ${net.batch}`, async (context) => {
          const emitted = emitClean(net.graph, net.batch, level);
          sameFiles(emitted, emitClean(net.graph, net.batch, level));
          const inputs = graphInputs(net.graph, net.batch, "net");
          const outputs = await runOnce(emitted, net.graph.name, inputs);
          if (typeof outputs === "string") return context.skip(outputs);
          expect(netFaults(net, inputs, outputs, netFactor)).toEqual([]);
        });
      }
    });

    if (!isModule) return;
    describe("module", () => {
      let unavailable: string | undefined;
      beforeAll(async () => {
        const [net] = referenceNets() as readonly [TestNet];
        const outcome = await runOnce(emitClean(net.graph, 1, 2), net.graph.name, graphInputs(net.graph, 1, "probe"));
        if (typeof outcome === "string") unavailable = outcome;
      });
      const open: Runner[] = [];
      afterAll(async () => {
        for (const runner of open) await runner.close();
      });
      moduleContract({
        emit: (net) => emitClean(net.graph, net.batch, 2),
        why: () => unavailable,
        async start(files, name) {
          const runner = (await backend.runner?.(files, name)) ?? { unavailable: "no runner" };
          if (isUnavailable(runner)) throw new Error(runner.unavailable);
          open.push(runner);
          return runner;
        },
      });
    });
  });
}

const isUnavailable = (runner: Runner | Unavailable): runner is Unavailable => "unavailable" in runner;

/** Same input, same bytes (architecture.md section 10). */
function sameFiles(a: EmittedTarget, b: EmittedTarget): void {
  expect(b.artifacts.map((f) => f.path)).toEqual(a.artifacts.map((f) => f.path));
  a.artifacts.forEach((file, i) => {
    const other = b.artifacts[i]?.contents;
    const same =
      typeof file.contents === "string"
        ? other === file.contents
        : other instanceof Uint8Array && Buffer.compare(file.contents, other) === 0;
    if (!same) throw new Error(`${file.path} differs between two compilations`);
  });
}
