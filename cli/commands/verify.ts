/** `sec verify FILE...`: compares targets with the f64 reference, per output and per layer. */
import { builtInNames } from "../../backends/registry.ts";
import { type LayerVerdict, referenceOf, type TargetVerdict, type VerifyRequest, verifyTarget } from "../../backends/verify.ts";
import { randomInput } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { readConfig } from "../config.ts";
import { buildNet, type LoadedNet, loadSpec } from "../frontend.ts";
import { readInputs } from "../inputs.ts";
import { interruptible } from "../interruptible.ts";
import {
  type InputOptions,
  type NetOptions,
  parseInteger,
  parsePositive,
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
import { shellWord, small, table, thousands } from "../report.ts";
import { EXIT, type Session } from "../session.ts";
import { type ChosenTarget, chooseTargets } from "../targets.ts";
import { openWeights, weightsOf } from "../weights.ts";

interface VerifyOptions extends NetOptions, SizeOptions, TargetOptions, WeightOptions, InputOptions {
  readonly tolerance?: number;
  readonly samples: number;
  readonly layers?: boolean;
}

const DEFAULT_SAMPLES = 4;

function layerText(l: LayerVerdict): string {
  const where = l.first ? `, first at [${l.first.join(", ")}]` : "";
  return `${l.path} (${l.op}): ${small(l.maxAbs)}, bound ${small(l.bound)}, ${thousands(l.over)} of ${thousands(l.of)} elements${where}`;
}

function print(session: Session, net: LoadedNet, verdicts: readonly TargetVerdict[], samples: number): void {
  const outputs = [...new Set(net.graph.outputs.map((o) => o.name))];
  for (const name of outputs) {
    const rows = verdicts.map((v) => {
      const o = v.outputs.find((x) => x.name === name);
      if (!o) return [v.target, "-", "-", "-", "0", v.verdict === "skipped" ? `skipped: ${v.reason}` : v.verdict, ""];
      return [
        v.target,
        small(o.maxAbs),
        small(o.maxRel),
        small(o.bound),
        String(samples),
        o.verdict === "pass" ? "ok" : "DIFFERS",
        v.runtime ?? "",
      ];
    });
    session.out(table([[`output ${name}`, "max abs", "max rel", "bound", "samples", "", ""], ...rows], [1, 2, 3, 4]));
  }
  for (const v of verdicts) {
    if (v.layers) {
      session.out(`\n${v.target}, layer by layer`);
      session.out(
        table(
          [
            ["layer", "op", "max abs", "bound", ""],
            ...v.layers.map((l) => [l.path, l.op, small(l.maxAbs), small(l.bound), l.verdict === "pass" ? "ok" : "DIFFERS"]),
          ],
          [2, 3],
        ),
      );
    }
    if (v.firstDivergence) {
      session.out(`${v.target} differs first at ${layerText(v.firstDivergence)}`);
      session.out(`  see it: sec compile ${shellWord(`${net.spec.argument.shown}#${net.name}`)} -t ${v.target} -O 0, or --emit kernels`);
    } else if (v.verdict === "fail" && v.reason) session.out(`${v.target}: ${v.reason}`);
  }
}

interface NetVerdict {
  readonly good: boolean;
  /** Some target could run here. */
  readonly ran: boolean;
}

function verdictText(verdicts: readonly NetVerdict[]): string {
  if (!verdicts.every((v) => v.good)) return "targets differ";
  return verdicts.some((v) => v.ran) ? "all targets that ran agree" : "no target could run here: nothing was compared";
}

async function verifyNet(
  session: Session,
  options: VerifyOptions,
  net: LoadedNet,
  targets: readonly ChosenTarget[],
  level: 0 | 1 | 2,
): Promise<NetVerdict | undefined> {
  const batch = options.batch ?? 1;
  const opened = openWeights(session, options);
  const weights = opened && weightsOf(session, net.graph, opened, options);
  if (!weights) return undefined;
  const { inputs } = ports(net.graph, batch);
  const given = options.input ? readInputs(session, net.name, inputs, options, options.seed) : undefined;
  if (session.failed) return undefined;
  // with --input there is one sample: the one that was given
  const samples = given
    ? [Object.fromEntries(given.map((i) => [i.name, i.data]))]
    : Array.from({ length: options.samples }, (_, i) =>
        Object.fromEntries(inputs.map((p) => [p.name, randomInput(p.name, p.shape, options.seed + i)])),
      );
  const request: VerifyRequest = {
    graph: net.graph,
    weights,
    batch,
    level,
    samples,
    diagnostics: session.diagnostics,
    source: net.spec.argument.file.name,
    tree: net.tree,
    tolerance: options.tolerance,
  };
  const progress = startProgress(session);
  progress.say(`${net.name}: the reference, in f64`);
  await progress.settle();
  const reference = await interruptible(() => referenceOf(request));
  const verdicts: TargetVerdict[] = [];
  for (const { backend, options: settings } of targets) {
    progress.say(`${net.name}: ${backend.name}`);
    await progress.settle();
    verdicts.push(await interruptible(() => verifyTarget(backend, settings, request, reference, options.layers === true)));
    if (session.failed) break;
  }
  progress.end();
  opened.close();
  if (session.failed) return undefined;
  const good = verdicts.every((v) => v.verdict !== "fail");
  if (session.options.json) {
    session.json({
      net: net.name,
      reference: "f64",
      samples: samples.length,
      seed: options.seed,
      targets: verdicts,
      verdict: verdicts.every((v) => v.verdict === "skipped") ? "skipped" : good ? "pass" : "fail",
    });
  } else print(session, net, verdicts, samples.length);
  return { good, ran: verdicts.some((v) => v.verdict !== "skipped") };
}

export const verifyCommand: Register = (command, host) => {
  withInputs(withSize(withWeights(withTargets(withNet(command)))))
    .argument("<file...>", "spec files, FILE#NET, or shipped nets")
    .option("--tolerance <X>", "tightens the derived bound: relative to the largest value", parsePositive)
    .option("--samples <N>", "random inputs", parseInteger(1, 10_000), DEFAULT_SAMPLES)
    .option("--layers", "a row for every layer")
    .addHelpText(
      "after",
      "\nExamples:\n  sec verify net.se --target all\n  sec verify resnet50 -t cpu,webgpu --shape image=1x3x64x64\n  sec verify net.se -t webgpu --layers",
    )
    .action(
      action<[readonly string[]], VerifyOptions>(host, async (session, options, files) => {
        const config = await readConfig(session);
        const targets = config && (await chooseTargets(session, options, config, builtInNames));
        if (!config || !targets) return undefined;
        const verdicts: NetVerdict[] = [];
        for (const file of files) {
          const spec = await loadSpec(session, file, { net: options.net, stdinName: options.stdinName });
          for (const name of spec?.names ?? []) {
            const net = spec && buildNet(session, spec, name, options);
            if (!net) continue;
            const verdict = await verifyNet(session, options, net, targets, options.optimize ?? config.optimize ?? 2);
            if (verdict) verdicts.push(verdict);
          }
        }
        const good = verdicts.every((v) => v.good);
        if (!session.failed && !session.options.json && verdicts.length > 0) session.out(verdictText(verdicts));
        if (!good) return EXIT.differs;
        // a check that compared nothing must not look like one that passed
        return verdicts.length > 0 && !verdicts.some((v) => v.ran) ? EXIT.usage : EXIT.ok;
      }),
    );
};
