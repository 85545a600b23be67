/** `sec bench FILE`: latency, GFLOP/s and the share of the multiply-add peak of every target, and where the time goes. */
import { type BenchReport, type BenchResult, bench } from "../../backends/bench.ts";
import { costOf } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { readConfig } from "../config.ts";
import { type LoadedNet, loadOneNet } from "../frontend.ts";
import { readInputs } from "../inputs.ts";
import {
  type InputOptions,
  type NetOptions,
  parseInteger,
  type SizeOptions,
  type TargetOptions,
  type WeightOptions,
  withInputs,
  withNet,
  withSize,
  withTargets,
  withWeights,
} from "../options.ts";
import { ports } from "../ports.ts";
import { startProgress } from "../progress.ts";
import { bar, counted, dims, quantity, table } from "../report.ts";
import { EXIT, type Session } from "../session.ts";
import { chooseTargets } from "../targets.ts";
import { openWeights, weightsOf } from "../weights.ts";

interface BenchOptions extends NetOptions, SizeOptions, TargetOptions, WeightOptions, InputOptions {
  readonly threads: number;
  readonly runs?: number;
}

const DEFAULT_TARGETS = ["wasm"];
const MOST_THREADS = 64;
const BAR_CELLS = 30;

const rounded = (x: number): number => Math.round(x * 1e4) / 1e4;
const percent = (x: number): string => `${(100 * x).toFixed(x < 0.0995 ? 1 : 0)} %`;
/** Milliseconds with three digits that say something. */
const time = (ms: number): string => ms.toFixed(ms < 1 ? 3 : ms < 10 ? 2 : ms < 100 ? 1 : 0);

function resultTable({ results, skipped }: BenchReport): string {
  return table(
    [
      ["target", "median ms", "p95 ms", "GFLOP/s", "of peak", "runs", ""],
      ...results.map((r) => [
        r.target,
        time(r.medianMs),
        time(r.p95Ms),
        r.gflops.toFixed(1),
        r.peakShare === undefined ? "-" : percent(r.peakShare),
        String(r.runs),
        r.runtime,
      ]),
      ...skipped.map((s) => [s.target, "-", "-", "-", "-", "0", `skipped: ${s.reason}`]),
    ],
    [1, 2, 3, 4, 5],
  );
}

function layerTable({ layers }: BenchResult): string {
  const total = layers.reduce((n, l) => n + l.ms, 0);
  return table(
    [
      ["layer", "op", "ms", "GFLOP/s", "share", ""],
      ...layers.map((l) => {
        const share = total > 0 ? l.ms / total : 0;
        return [l.kernel, l.op ?? "", time(l.ms), l.gflops.toFixed(1), percent(share), bar(share, BAR_CELLS)];
      }),
      ["total", "", time(total), "", "", ""],
    ],
    [2, 3, 4],
  );
}

function print(session: Session, net: LoadedNet, batch: number, report: BenchReport): void {
  const { inputs } = ports(net.graph, batch);
  const sizes = inputs.map((p) => `${p.name} ${dims(p.shape)}`).join(", ");
  session.out(`${net.name}    ${sizes} · ${quantity(2 * costOf(net.graph, batch).macs, 3)}FLOP a run`);
  session.out(resultTable(report));
  for (const { threads, gflops, fused } of report.peaks) {
    const how = fused ? "fused multiply-adds" : "products and sums, no relaxed SIMD here";
    session.out(
      `  peak ${gflops.toFixed(1)} GFLOP/s on ${counted(threads, "thread")}: ${how}, in WebAssembly registers, in turn with the targets`,
    );
  }
  for (const r of report.results.filter((x) => x.layers.length > 0))
    session.out(`\n${r.target}, layer by layer: each measured alone, so their sum is not the time of a run\n${layerTable(r)}`);
  for (const r of report.results) {
    if (r.software) session.note(`${r.target} ran on a software adapter, which is this machine's CPU: no time of a GPU`);
    if (r.layers.length === 0) session.note(`${r.target} does not tell the times of its layers`);
  }
}

/** The same with the digits that mean something. */
const tidy = (report: BenchReport): BenchReport => ({
  results: report.results.map((r) => ({
    ...r,
    medianMs: rounded(r.medianMs),
    p95Ms: rounded(r.p95Ms),
    gflops: rounded(r.gflops),
    ...(r.peakShare === undefined ? {} : { peakShare: rounded(r.peakShare) }),
    layers: r.layers.map((l) => ({ ...l, ms: rounded(l.ms), gflops: rounded(l.gflops) })),
  })),
  skipped: report.skipped,
  peaks: report.peaks.map((p) => ({ ...p, gflops: rounded(p.gflops) })),
});

export const benchCommand: Register = (command, host) => {
  withInputs(withSize(withWeights(withTargets(withNet(command)))))
    .argument("<file>", "spec file, FILE#NET, or a shipped net")
    .option("--threads <N>", "threads of the wasm target", parseInteger(1, MOST_THREADS), 1)
    .option("--runs <N>", "timed runs of each target (default 30, fewer of slow ones)", parseInteger(1, 100_000))
    .addHelpText(
      "after",
      "\nTargets take turns in shuffled order; outputs are compared before a time counts.\n" +
        "\nExamples:\n  sec bench se_resnet50\n  sec bench net.se --target wasm,cpu,tfjs,webgpu\n  sec bench resnet50 --threads 2 --runs 100 --json",
    )
    .action(
      action<[string], BenchOptions>(host, async (session, options, file) => {
        const net = await loadOneNet(session, file, "bench", options);
        if (!net) return undefined;
        const batch = options.batch ?? 1;
        const inputs = readInputs(session, net.name, ports(net.graph, batch).inputs, options, options.seed);
        const config = await readConfig(session);
        const targets = config && (await chooseTargets(session, options, config, DEFAULT_TARGETS));
        if (!inputs || !config || !targets || session.failed) return undefined;
        const opened = openWeights(session, options);
        const weights = opened && weightsOf(session, net.graph, opened, options);
        if (!weights) return undefined;
        const progress = startProgress(session);
        const report = await bench({
          graph: net.graph,
          weights,
          batch,
          level: options.optimize ?? config.optimize ?? 2,
          inputs: Object.fromEntries(inputs.map((i) => [i.name, i.data])),
          targets,
          threads: options.threads,
          runs: options.runs,
          diagnostics: session.diagnostics,
          source: net.spec.argument.file.name,
          tree: net.tree,
          now: session.io.now,
          say: (text) => {
            progress.say(text);
            return progress.settle();
          },
        });
        progress.end();
        opened.close();
        if (!report) return undefined;
        if (session.options.json) session.json({ net: net.name, macs: costOf(net.graph, batch).macs, ...tidy(report) });
        else print(session, net, batch, report);
        if (report.results.length > 0) return EXIT.ok;
        session.note("no target could run here: nothing was measured");
        return EXIT.usage;
      }),
    );
};
