/** `sec run FILE`: runs one net on given inputs with a target's runner. */
import type { Tensors } from "../../backends/backend.ts";
import { messages } from "../../compiler/diagnostics/messages.gen.ts";
import { type Graph, isWrittenNpy, matchTaps, parseSelectorText, writeNpy } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { readConfig } from "../config.ts";
import { loadOneNet } from "../frontend.ts";
import { readInputs } from "../inputs.ts";
import { interruptible } from "../interruptible.ts";
import {
  append,
  appendPair,
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
import { type Port, ports } from "../ports.ts";
import { dims } from "../report.ts";
import { EXIT, type Session } from "../session.ts";
import { chooseTargets, emitTarget } from "../targets.ts";
import { openWeights, weightsOf } from "../weights.ts";
import { mayWriteNamed, writeNamedFile } from "../write.ts";

interface RunOptions extends NetOptions, SizeOptions, TargetOptions, WeightOptions, InputOptions {
  readonly output?: readonly (readonly [string, string])[];
  readonly top?: number;
  readonly taps?: readonly string[];
  readonly force?: boolean;
}

const MAX_JSON_ELEMENTS = 65_536;
const DEFAULT_TARGETS = ["wasm"];

function topOf(data: Float32Array, k: number): { index: number; value: number }[] {
  return [...data]
    .map((value, index) => ({ index, value }))
    .sort((a, b) => b.value - a.value || a.index - b.index)
    .slice(0, k);
}

interface OutputRow {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data?: readonly number[];
  readonly file?: string;
  readonly top?: readonly { readonly index: number; readonly value: number }[];
}

const ownNpy = (options: RunOptions): { force: boolean; knows: typeof isWrittenNpy } => ({
  force: options.force === true,
  knows: isWrittenNpy,
});

/** --output: every name is an output, and is given once. */
function checkOutputs(session: Session, options: RunOptions, list: readonly Port[]): void {
  const seen = new Set<string>();
  for (const [name, file] of options.output ?? []) {
    if (!list.some((p) => p.name === name))
      session.usage(messages.SE520.value({ option: "--output", want: `one of ${list.map((p) => p.name).join(", ")}`, given: name }));
    if (seen.has(name)) session.usage(messages.SE520.value({ option: "--output", want: "each output once", given: name }));
    seen.add(name);
    if (file !== "-") mayWriteNamed(session, file, ownNpy(options));
  }
}

function outputRows(session: Session, options: RunOptions, list: readonly Port[], values: Tensors): OutputRow[] {
  const files = new Map(options.output ?? []);
  return list.map((port) => {
    const data = values[port.name] as Float32Array;
    const file = files.get(port.name);
    if (file !== undefined && file !== "-") {
      writeNamedFile(session, file, writeNpy({ shape: port.shape, data }), ownNpy(options));
    }
    const inline = file === "-" || (file === undefined && data.length <= MAX_JSON_ELEMENTS);
    return {
      name: port.name,
      dtype: port.dtype,
      shape: port.shape,
      ...(inline ? { data: [...data] } : {}),
      ...(file !== undefined && file !== "-" ? { file } : {}),
      ...(options.top === undefined ? {} : { top: topOf(data, options.top) }),
    };
  });
}

/** The graph with what --taps selects as further outputs, under their paths. */
function withTaps(session: Session, net: { graph: Graph; tree: Parameters<typeof matchTaps>[0] }, taps: readonly string[]): Graph {
  const outputs = [...net.graph.outputs];
  for (const text of taps) {
    const selector = parseSelectorText(text, session.diagnostics);
    if (!selector) continue;
    const found = matchTaps(net.tree, selector, net.graph, session.diagnostics);
    if (found.length === 0 && !session.failed) {
      session.diagnostics.report(messages.SE301.nothing({ selector: text, net: net.graph.name }), undefined, {
        help: "`sec ls` lists the places of the net",
      });
    }
    for (const tap of found) {
      if (!outputs.some((o) => o.name === tap.name)) outputs.push(tap);
    }
  }
  return { ...net.graph, outputs };
}

function human(rows: readonly OutputRow[], values: Tensors): string[] {
  const PREVIEW = 8;
  return rows.map((row) => {
    const data = values[row.name] as Float32Array;
    if (row.top) return `${row.name}  ${row.top.map((t) => `${t.index}: ${t.value.toPrecision(4)}`).join("   ")}`;
    const shown = [...data.slice(0, PREVIEW)].map((v) => v.toPrecision(5)).join(" ");
    return `${row.name}  ${dims(row.shape)}  ${shown}${data.length > PREVIEW ? " ..." : ""}${row.file ? `  → ${row.file}` : ""}`;
  });
}

export const runCommand: Register = (command, host) => {
  withInputs(withSize(withWeights(withTargets(withNet(command)))))
    .argument("<file>", "spec file, FILE#NET, or a shipped net")
    .option("--output <NAME=FILE>", "write an output as .npy; - puts it into the JSON", appendPair("=", "NAME=FILE"))
    .option("--top <K>", "print the K largest values of every output", parseInteger(1, 100_000))
    .option("--taps <SELECTOR>", "further outputs, such as @se.scale", append)
    .option("--force", "let --output overwrite files that sec did not write")
    .addHelpText(
      "after",
      "\nExamples:\n  sec run net.se --input image=cat.png --top 3\n  sec run resnet50 -t webgpu --weights resnet50.safetensors --input image=x.npy\n  sec run net.se --taps @se.scale --json",
    )
    .action(
      action<[string], RunOptions>(host, async (session, options, file) => {
        const net = await loadOneNet(session, file, "run", options);
        if (!net) return undefined;
        const batch = options.batch ?? 1;
        const graph = options.taps ? withTaps(session, net, options.taps) : net.graph;
        const { inputs: inPorts, outputs: outPorts } = ports(graph, batch);
        checkOutputs(session, options, outPorts);
        const inputs = readInputs(session, net.name, inPorts, options, options.seed);
        const config = await readConfig(session);
        const targets = config && (await chooseTargets(session, options, config, DEFAULT_TARGETS));
        if (!inputs || !config || !targets || session.failed) return undefined;
        if (targets.length > 1 && (options.output ?? []).some(([, to]) => to !== "-")) {
          session.usage(
            messages.SE520.value({ option: "--output", want: "one target", given: targets.map((t) => t.backend.name).join(",") }),
          );
          return undefined;
        }
        const opened = openWeights(session, options);
        if (!opened) return undefined;
        const weights = weightsOf(session, net.graph, opened, options);
        if (!weights) return undefined;
        for (const { backend, options: settings } of targets) {
          const emitted = await emitTarget({
            backend,
            graph,
            options: settings,
            weights,
            batch,
            level: options.optimize ?? config.optimize ?? 2,
            diagnostics: session.diagnostics,
            source: net.spec.argument.file.name,
            tree: options.taps ? undefined : net.tree,
          });
          if (!emitted || session.failed) return undefined;
          const start = session.io.now();
          const runner = backend.runner ? await backend.runner(emitted.artifacts, graph.name) : { unavailable: "it has no runner" };
          if ("unavailable" in runner) {
            session.usage(messages.SE525.unavailable({ target: backend.name, reason: runner.unavailable }));
            return undefined;
          }
          const load = session.io.now() - start;
          const given = Object.fromEntries(inputs.map((i) => [i.name, i.data]));
          const from = session.io.now();
          const values = await interruptible(() => runner.run(given));
          const took = session.io.now() - from;
          await runner.close();
          const rows = outputRows(session, options, outPorts, values);
          if (session.failed) return undefined;
          if (session.options.json) {
            session.json({
              net: net.name,
              target: backend.name,
              runtime: runner.runtime,
              inputs: inputs.map(({ name, shape, source }) => ({ name, shape, source })),
              outputs: rows,
              timings: { load: Math.round(load * 1000) / 1000, run: Math.round(took * 1000) / 1000 },
            });
            continue;
          }
          for (const line of human(rows, values)) session.out(line);
          session.note(`${took.toFixed(1)} ms (load ${load.toFixed(0)} ms), ${backend.name}, ${runner.runtime}`);
        }
        opened.close();
        return EXIT.ok;
      }),
    );
};
