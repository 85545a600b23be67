/** `sec compare A B`: what an edit adds, in parameters, MACs, dispatches and bytes of every target. */
import type { Backend } from "../../backends/registry.ts";
import { costOf, type GraphCost, type Weight, type WeightReader } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { readConfig } from "../config.ts";
import { type LoadedNet, loadOneNet } from "../frontend.ts";
import { type SizeOptions, type TargetOptions, withSize, withTargets } from "../options.ts";
import { startProgress } from "../progress.ts";
import { bytesText, quantity, table, thousands } from "../report.ts";
import { EXIT, type Session } from "../session.ts";
import { type ChosenTarget, chooseTargets, emitTarget } from "../targets.ts";

type CompareOptions = SizeOptions & TargetOptions;
type Pair = readonly [number, number];

interface TargetPair {
  readonly target: string;
  readonly dispatches?: Pair;
  readonly bytes: Pair;
}

const DEFAULT_TARGETS = ["webgpu"];

const elementsOf = (weight: Weight): number => weight.value.type.shape.reduce((n: number, d) => n * (d as number), 1);

/** Sizes do not depend on values, and making 25 million of them takes longer than all the rest. */
const zeros: WeightReader = {
  read: (weight) => new Float32Array(elementsOf(weight)),
  readExact: (weight) => new Float64Array(elementsOf(weight)),
};

interface Sizes {
  readonly bytes: number;
  readonly dispatches?: number;
}

async function sizesFor(session: Session, { graph, spec, tree }: LoadedNet, chosen: ChosenTarget, options: CompareOptions): Promise<Sizes> {
  const { artifacts, metrics } = await emitTarget({
    backend: chosen.backend as Backend,
    graph,
    options: chosen.options,
    weights: zeros,
    batch: options.batch ?? 1,
    level: options.optimize ?? 2,
    diagnostics: session.diagnostics,
    source: spec.argument.file.name,
    tree,
  });
  const bytes = artifacts.reduce((n, a) => n + (typeof a.contents === "string" ? Buffer.byteLength(a.contents) : a.contents.length), 0);
  return { bytes, ...(metrics.dispatches === undefined ? {} : { dispatches: metrics.dispatches }) };
}

/** "+9.9 %"; "<0.1 %" is told from nothing at all. */
function percent([a, b]: Pair): string {
  if (a === b) return "";
  if (a === 0) return "";
  const share = (100 * (b - a)) / a;
  const sign = share > 0 ? "+" : "-";
  return Math.abs(share) < 0.05 ? `${sign}<0.1 %` : `${sign}${Math.abs(share).toFixed(1)} %`;
}

function signed([a, b]: Pair, text: (n: number) => string): string {
  if (a === b) return "same";
  return `${b > a ? "+" : "-"}${text(Math.abs(b - a))}`;
}

function row(name: string, pair: Pair, text: (n: number) => string): string[] {
  return [name, text(pair[0]), text(pair[1]), signed(pair, text), percent(pair)];
}

export const compareCommand: Register = (command, host) => {
  withTargets(withSize(command))
    .argument("<a>", "spec file, FILE#NET, or a shipped net")
    .argument("<b>", "the same, for the net it is compared with")
    .option("--stdin-name <NAME>", "what to call standard input; .json chooses the form")
    .addHelpText(
      "after",
      "\nExamples:\n  sec compare resnet50 se_resnet50\n  sec compare resnet50 se_resnet50 --target webgpu,cpu\n  sec compare net.se#plain net.se#edited --json",
    )
    .action(
      action<[string, string], CompareOptions & { readonly stdinName?: string }>(host, async (session, options, first, second) => {
        const config = await readConfig(session);
        const targets = config && (await chooseTargets(session, options, config, DEFAULT_TARGETS));
        const a = await loadOneNet(session, first, "compare", options);
        const b = await loadOneNet(session, second, "compare", options);
        if (!a || !b || !targets) return undefined;
        const batch = options.batch ?? 1;
        const [costA, costB] = [costOf(a.graph, batch), costOf(b.graph, batch)];
        const progress = startProgress(session);
        const perTarget: TargetPair[] = [];
        for (const target of targets) {
          progress.say(`${target.backend.name} ...`);
          await progress.settle();
          const sizesA = await sizesFor(session, a, target, options);
          const sizesB = await sizesFor(session, b, target, options);
          perTarget.push({
            target: target.backend.name,
            ...(sizesA.dispatches === undefined || sizesB.dispatches === undefined
              ? {}
              : { dispatches: [sizesA.dispatches, sizesB.dispatches] }),
            bytes: [sizesA.bytes, sizesB.bytes],
          });
        }
        progress.end();
        if (session.failed) return undefined;
        if (session.options.json) {
          session.json({
            a: a.name,
            b: b.name,
            params: [costA.params, costB.params],
            macs: [costA.macs, costB.macs],
            layers: [a.graph.nodes.length, b.graph.nodes.length],
            elementOps: [costA.elementOps, costB.elementOps],
            targets: perTarget,
          });
          return EXIT.ok;
        }
        const pair = (of: (c: GraphCost) => number): Pair => [of(costA), of(costB)];
        const rows = [
          row("layers", [a.graph.nodes.length, b.graph.nodes.length], thousands),
          row(
            "parameters",
            pair((c) => c.params),
            thousands,
          ),
          row(
            "MACs",
            pair((c) => c.macs),
            quantity,
          ),
          row(
            "element operations",
            pair((c) => c.elementOps),
            quantity,
          ),
        ];
        for (const t of perTarget) {
          if (t.dispatches) rows.push(row(`dispatches ${t.target}`, t.dispatches, thousands));
          rows.push(row(`bytes ${t.target}`, t.bytes, bytesText));
        }
        session.out(table([["", a.name, b.name, "difference", ""], ...rows], [1, 2, 3, 4]));
        session.note("  layers, parameters and MACs are exact; bytes are all files of a target");
        return EXIT.ok;
      }),
    );
};
