/** `sec inspect FILE`: layers, shapes, parameters, MACs; with --target, kernels and algorithms. */
import type { KernelRow } from "../../backends/inspect.ts";
// not the index, and the backends only for --target: a listing starts in half the time without passes and lowering
import { costOf } from "../../compiler/nets.ts";
import { action, type Register } from "../command.ts";
import { type LoadedNet, loadOneNet } from "../frontend.ts";
import {
  MATCHING,
  type NetOptions,
  type SizeOptions,
  type TargetOptions,
  type WeightOptions,
  withNet,
  withSize,
  withTargets,
  withWeights,
} from "../options.ts";
import { bindBatch, ports } from "../ports.ts";
import { bar, bytesText, dims, quantity, table, thousands } from "../report.ts";
import { EXIT, type Session } from "../session.ts";

type InspectOptions = NetOptions & SizeOptions & TargetOptions & WeightOptions;

const BAR_CELLS = 20;

function kernelsText(rows: readonly KernelRow[]): string {
  return table(
    [
      ["kernel", "kind", "algorithm", "tile", "FLOP", "bytes"],
      ...rows.map((k) => [k.name, k.kind, k.algorithm, k.tile ?? "", quantity(k.flops, 3), bytesText(k.bytes)]),
    ],
    [4, 5],
  );
}

function print(session: Session, net: LoadedNet, batch: number, kernels: ReadonlyMap<string, readonly KernelRow[]>): void {
  const cost = costOf(net.graph, batch);
  const total = cost.macs;
  const all = session.options.verbose;
  const more = (c: { elementOps: number; activationBytes: number; weightBytes: number } | undefined): string[] =>
    all ? [quantity(c?.elementOps ?? 0), bytesText(c?.activationBytes ?? 0), bytesText(c?.weightBytes ?? 0)] : [];
  const rows = net.graph.nodes.map((n, i) => {
    const c = cost.nodes[i];
    const share = total > 0 ? (c?.macs ?? 0) / total : 0;
    return [
      n.path,
      n.op,
      dims(bindBatch(n.output.type.shape, batch)),
      thousands(c?.params ?? 0),
      quantity(c?.macs ?? 0),
      ...more(c),
      c?.macs ? `${(100 * share).toFixed(1)} %` : "",
      bar(share, BAR_CELLS),
    ];
  });
  session.out(
    table(
      [
        ["layer", "op", "output", "params", "MACs", ...(all ? ["element ops", "activations", "weights"] : []), "share", ""],
        ...rows,
        ["total", "", "", thousands(cost.params), quantity(total), ...more(cost), "", ""],
      ],
      all ? [3, 4, 5, 6, 7, 8] : [3, 4, 5],
    ),
  );
  session.out(
    `  weights ${bytesText(cost.weightBytes)} · activations ${bytesText(cost.activationBytes)} · element operations ${quantity(cost.elementOps)}`,
  );
  session.out("  MACs are multiply-adds of conv, deconv, linear, chanconv; parameters are trainable ones");
  session.out("  activations are the outputs of all layers together; weights are the tensors inference reads; both in f32");
  if (!all) session.note("--verbose adds element operations, activation and weight bytes of every layer");
  for (const [target, list] of kernels) session.out(`\n${target}: ${list.length} kernels\n${kernelsText(list)}`);
}

/** --weights: says what of the file fits, and reports what does not. */
async function weightsFit(session: Session, net: LoadedNet, options: InspectOptions): Promise<boolean> {
  if (options.weights === undefined && MATCHING.every((name) => options[name] === undefined)) return true;
  const { openWeights, weightsOf } = await import("../weights.ts");
  const opened = openWeights(session, options);
  if (!opened?.file) return opened !== undefined;
  const reader = weightsOf(session, net.graph, opened, options);
  opened.close();
  return reader !== undefined;
}

export const inspectCommand: Register = (command, host) => {
  withWeights(withTargets(withSize(withNet(command))))
    .argument("<file>", "spec file, FILE#NET, or a shipped net")
    .addHelpText(
      "after",
      "\nExamples:\n  sec inspect se_resnet50\n  sec inspect net.se --target webgpu\n  sec inspect net.se --json | jq .macs",
    )
    .action(
      action<[string], InspectOptions>(host, async (session, options, file) => {
        const net = await loadOneNet(session, file, "inspect", options);
        if (!net) return undefined;
        const batch = options.batch ?? 1;
        if (!(await weightsFit(session, net, options))) return undefined;
        const kernels = new Map<string, readonly KernelRow[]>();
        if (options.target) {
          const [{ emitlessProgram }, { chooseTargets }, { readConfig }] = await Promise.all([
            import("../../backends/inspect.ts"),
            import("../targets.ts"),
            import("../config.ts"),
          ]);
          const config = await readConfig(session);
          const targets = config && (await chooseTargets(session, options, config, []));
          if (!targets) return undefined;
          for (const { backend } of targets) {
            const rows = emitlessProgram(backend, net.graph, { batch, level: options.optimize ?? 2, diagnostics: session.diagnostics });
            if (session.failed) return undefined;
            kernels.set(backend.name, rows);
          }
        }
        if (!session.options.json) {
          print(session, net, batch, kernels);
          return EXIT.ok;
        }
        const cost = costOf(net.graph, batch);
        session.json({
          net: net.name,
          ...ports(net.graph, batch),
          params: cost.params,
          macs: cost.macs,
          elementOps: cost.elementOps,
          activationBytes: cost.activationBytes,
          weightBytes: cost.weightBytes,
          tensors: net.graph.weights.map((w) => ({
            name: w.path,
            shape: w.value.type.shape,
            dtype: w.value.type.dtype,
            trainable: w.trainable,
          })),
          layers: net.graph.nodes.map((n, i) => ({
            path: n.path,
            op: n.op,
            output: bindBatch(n.output.type.shape, batch),
            params: cost.nodes[i]?.params ?? 0,
            macs: cost.nodes[i]?.macs ?? 0,
            elementOps: cost.nodes[i]?.elementOps ?? 0,
            activationBytes: cost.nodes[i]?.activationBytes ?? 0,
            weightBytes: cost.nodes[i]?.weightBytes ?? 0,
          })),
          ...(kernels.size > 0
            ? { kernels: [...kernels].flatMap(([target, rows]) => rows.map((r) => ({ ...(kernels.size > 1 ? { target } : {}), ...r }))) }
            : {}),
        });
        return EXIT.ok;
      }),
    );
};
