/**
 * Times targets side by side (`sec bench`): every target and the multiply-add peak of the engine take turns in every round, in shuffled
 * order, so that what a busy or a throttled machine does meets all of them. Outputs are compared before a time counts.
 */
import { costOf } from "../compiler/analysis/cost.ts";
import type { Diagnostics } from "../compiler/diagnostics/diagnostic.ts";
import { must } from "../compiler/invariant.ts";
import type { Graph } from "../compiler/ir/graph.ts";
import type { Program } from "../compiler/ir/kernel.ts";
import type { OptimizeLevel } from "../compiler/passes/pass.ts";
import type { NetTree } from "../compiler/semantics/tree.ts";
import type { WeightReader } from "../compiler/weights/source.ts";
import type { Backend, LayerTime, Runner, Tensors } from "./backend.ts";
import { emitTarget } from "./emit.ts";
import { flopsOf } from "./inspect.ts";
import type { Peak } from "./wasm/run.ts";

export interface BenchRequest {
  readonly graph: Graph;
  readonly weights: WeightReader;
  readonly batch: number;
  readonly level: OptimizeLevel;
  readonly inputs: Tensors;
  readonly targets: readonly { readonly backend: Backend; readonly options: unknown }[];
  readonly threads: number;
  /** Timed runs of each target, however long they take. Default: 30, fewer of targets that are slow. */
  readonly runs?: number | undefined;
  readonly diagnostics: Diagnostics;
  readonly source: string;
  readonly tree?: NetTree | undefined;
  /** Milliseconds. */
  readonly now: () => number;
  /** Told what happens next. */
  readonly say: (text: string) => Promise<void>;
}

export interface LayerRow {
  /** Path of the layer whose kernel it is; "take input", "give output" change between the caller's layout and the net's. */
  readonly path: string;
  /** Of that layer; absent where there is none. */
  readonly op?: string;
  /** The kernel's name: the path, and what was fused into it. */
  readonly kernel: string;
  /** Median. */
  readonly ms: number;
  readonly gflops: number;
}

export interface BenchResult {
  readonly target: string;
  readonly runtime: string;
  readonly medianMs: number;
  readonly p95Ms: number;
  /** Two operations for each multiply-add of the net as it is written, whatever the target makes of it, over the median. */
  readonly gflops: number;
  /** Of the peak on as many threads; absent where native code or a device computes. */
  readonly peakShare?: number;
  readonly runs: number;
  readonly threads?: number;
  readonly software?: boolean;
  /** Empty where the target cannot tell. */
  readonly layers: readonly LayerRow[];
}

export interface PeakResult {
  readonly threads: number;
  readonly gflops: number;
  readonly fused: boolean;
}

export interface BenchReport {
  readonly results: readonly BenchResult[];
  readonly skipped: readonly { readonly target: string; readonly reason: string }[];
  readonly peaks: readonly PeakResult[];
}

interface Contender {
  readonly target: string;
  readonly runner: Runner;
  readonly program: Program | undefined;
  readonly times: number[];
}

const DEFAULT_RUNS = 30;
const ROUNDS = 10;
/** A target that has taken this long, milliseconds, is measured no more once it has `FEWEST` runs. */
const PATIENCE = 5000;
const FEWEST = 3;
/** Runs before the clock starts: until the engine's optimising compilers are done. */
const WARM_UP = { runs: 20, ms: 500 };
const PROFILES = { runs: 9, ms: 3000 };
/** Largest difference between targets, relative to the largest output; `sec verify` is the strict judge. */
const AGREEMENT = { f32: 1e-3, f16: 1e-2 };

const median = (list: readonly number[]): number => quantile(list, 0.5);

/** Nearest rank. */
export function quantile(list: readonly number[], q: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  return must(sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)], "a measurement");
}

function shuffled<T>(list: readonly T[]): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}

/** Largest difference relative to the largest value of each output; an output that is not a number equals itself only. */
function disagreement(a: Tensors, b: Tensors): number {
  let most = 0;
  for (const [name, x] of Object.entries(a)) {
    const y = must(b[name], `output ${name}`);
    const largest = x.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    for (let i = 0; i < x.length; i++) {
      const [v, w] = [x[i] as number, y[i] as number];
      if (Object.is(v, w)) continue;
      const d = largest > 0 ? Math.abs(v - w) / largest : Math.abs(v - w);
      most = Math.max(most, Number.isNaN(d) ? Number.POSITIVE_INFINITY : d);
    }
  }
  return most;
}

async function timed(now: () => number, work: () => Promise<unknown>): Promise<number> {
  const start = now();
  await work();
  return now() - start;
}

/** GFLOP/s; 0 where the clock is too coarse to tell. */
const rate = (flops: number, ms: number): number => (ms > 0 ? flops / ms / 1e6 : 0);

/** Median time of every kernel over all profiles; kernels of equal name are one row. */
function layerRows(program: Program | undefined, profiles: readonly (readonly LayerTime[])[]): LayerRow[] {
  const totals = profiles.map((profile) => {
    const sums = new Map<string, number>();
    for (const { layer, ms } of profile) sums.set(layer, (sums.get(layer) ?? 0) + ms);
    return sums;
  });
  return [...(totals[0] ?? new Map<string, number>()).keys()].map((kernel) => {
    const own = program?.kernels.filter((k) => k.name === kernel) ?? [];
    const fused = own.flatMap((k) => k.from);
    const layer = fused.find((n) => kernel === n.path || kernel.startsWith(`${n.path}+`)) ?? fused[0];
    const ms = median(totals.map((t) => t.get(kernel) ?? 0));
    return {
      path: layer?.path ?? kernel,
      ...(layer ? { op: layer.op } : {}),
      kernel,
      ms,
      gflops: rate(
        own.reduce((n, k) => n + flopsOf(k), 0),
        ms,
      ),
    };
  });
}

/** Undefined after a problem of the user's, which is in the diagnostics. */
export async function bench(request: BenchRequest): Promise<BenchReport | undefined> {
  const { graph, batch, inputs, now, say, threads, diagnostics, runs = DEFAULT_RUNS } = request;
  const contenders: Contender[] = [];
  const skipped: { target: string; reason: string }[] = [];
  const peaks = new Map<number, { readonly peak: Peak; readonly values: number[] }>();
  let first: { readonly target: string; readonly outputs: Tensors } | undefined;

  /** Starts a target and warms it up; the reason when it cannot take part. */
  const enter = async ({ backend, options }: BenchRequest["targets"][number]): Promise<string | undefined> => {
    const { weights, level, source, tree } = request;
    const { artifacts, program } = emitTarget({ backend, graph, options, weights, batch, level, diagnostics, source, tree });
    if (diagnostics.hasErrors) return undefined;
    if (!backend.runner) return "it has no runner";
    const runner = await backend.runner(artifacts, graph.name, { threads });
    if ("unavailable" in runner) return runner.unavailable;
    contenders.push({ target: backend.name, runner, program, times: [] });
    const start = now();
    const outputs = await runner.run(inputs);
    for (let i = 1; i < WARM_UP.runs && now() - start < WARM_UP.ms; i++) await runner.run(inputs);
    first ??= { target: backend.name, outputs };
    const apart = disagreement(first.outputs, outputs);
    if (apart <= (runner.half ? AGREEMENT.f16 : AGREEMENT.f32)) return undefined;
    return `its outputs differ from those of ${first.target} by ${apart.toExponential(1)} of the largest; sec verify says which is wrong`;
  };
  /** A device that is too small is no reason to give up the others. */
  const admit = async (target: BenchRequest["targets"][number]): Promise<void> => {
    await say(`${graph.name}: ${target.backend.name}`);
    const before = contenders.length;
    const reason = await enter(target).catch((error: unknown) => `it does not run: ${(error as Error).message.split("\n")[0]}`);
    if (reason === undefined) return;
    skipped.push({ target: target.backend.name, reason });
    for (const { runner } of contenders.splice(before)) await runner.close();
  };

  try {
    for (const target of request.targets) {
      await admit(target);
      if (diagnostics.hasErrors) return undefined;
    }
    const { openPeak } = await import("./wasm/run.ts");
    for (const { runner } of contenders) {
      if (runner.threads !== undefined && !peaks.has(runner.threads))
        peaks.set(runner.threads, { peak: await openPeak(runner.threads), values: [] });
    }
    const turn = Math.ceil(runs / ROUNDS);
    const done = ({ times }: Contender): boolean =>
      times.length >= runs || (request.runs === undefined && times.length >= FEWEST && times.reduce((a, b) => a + b, 0) > PATIENCE);
    for (let round = 1; contenders.some((c) => !done(c)); round++) {
      await say(`${graph.name}: round ${round}`);
      const take = async ({ runner, times }: Contender): Promise<void> => {
        // what the others left in the caches is not the target's fault
        if ((times.at(-1) ?? 0) < 100) await runner.run(inputs);
        for (let i = 0; i < turn && times.length < runs; i++) times.push(await timed(now, () => runner.run(inputs)));
      };
      const turns = [
        ...contenders.filter((c) => !done(c)).map((c) => () => take(c)),
        ...[...peaks.values()].map((p) => async () => void p.values.push(await p.peak.measure())),
      ];
      for (const next of shuffled(turns)) await next();
    }
    const peakResults = [...peaks].map(([n, { peak, values }]) => ({ threads: n, gflops: median(values), fused: peak.fused }));
    const flops = 2 * costOf(graph, batch).macs;
    const results: BenchResult[] = [];
    for (const { target, runner, program, times } of contenders) {
      const profiles: (readonly LayerTime[])[] = [];
      const start = now();
      await say(`${graph.name}: ${target}, layer by layer`);
      while (runner.profile && profiles.length < PROFILES.runs && (profiles.length === 0 || now() - start < PROFILES.ms))
        profiles.push(await runner.profile(inputs));
      const gflops = rate(flops, median(times));
      const peak = peakResults.find((p) => p.threads === runner.threads);
      results.push({
        target,
        runtime: runner.runtime,
        medianMs: median(times),
        p95Ms: quantile(times, 0.95),
        gflops,
        ...(peak ? { peakShare: gflops / peak.gflops } : {}),
        runs: times.length,
        ...(runner.threads === undefined ? {} : { threads: runner.threads }),
        ...(runner.software ? { software: true } : {}),
        layers: layerRows(program, profiles),
      });
    }
    return { results, skipped, peaks: peakResults };
  } finally {
    for (const { runner } of contenders) await runner.close();
    for (const { peak } of peaks.values()) await peak.close();
  }
}
