/** `sec compile FILE...`: one folder per net and target. */
import path from "node:path";
import { type Artifact, type Backend, type WeightsStore, WRITTEN_BY } from "../../backends/backend.ts";
import type { EmittedTarget } from "../../backends/emit.ts";
import { messages } from "../../compiler/diagnostics/messages.gen.ts";
import { costOf, type Remark, type SpecFile, specToJson, type VectorMemory, vectorMemory } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { type Config, readConfig } from "../config.ts";
import { buildNet, type LoadedNet, loadSpec } from "../frontend.ts";
import {
  type NetOptions,
  type SizeOptions,
  type TargetOptions,
  type WeightOptions,
  withNet,
  withSize,
  withTargets,
  withWeights,
} from "../options.ts";
import { ports } from "../ports.ts";
import { bytesText, counted, dims, quantity, shellWord, table, thousands } from "../report.ts";
import { EXIT, type Session } from "../session.ts";
import {
  checkPassName,
  checkPrinted,
  emitStage,
  passPrinter,
  printsOnly,
  printsStage,
  type StageOptions,
  withStages,
  writes,
} from "../stages.ts";
import { type ChosenTarget, chooseTargets, emitTarget } from "../targets.ts";
import { watchFiles } from "../watch.ts";
import { type OpenedWeights, openWeights, weightsOf } from "../weights.ts";
import { expectTensors, type FileStore, fileStores, sizesStore } from "../weights-store.ts";
import { mayWriteNamed, staleFiles, writeArtifacts, writeNamedFile } from "../write.ts";

export interface CompileOptions extends NetOptions, SizeOptions, TargetOptions, WeightOptions, StageOptions {
  readonly remarks?: boolean;
  readonly verifyIr?: boolean;
  readonly watch?: boolean;
  readonly metafile?: string;
  readonly validate?: boolean;
}

const DEFAULT_OUT = "dist";
const DEFAULT_TARGETS = ["webgpu"];

type Timings = Record<"parse" | "check" | "optimize" | "lower" | "emit" | "write" | "total", number>;

interface Output {
  readonly net: string;
  readonly target: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly dispatches?: number;
  readonly arenaBytes?: number;
  readonly timings: Timings;
  readonly stale?: readonly string[];
}

const sizeOf = (contents: string | Uint8Array): number => (typeof contents === "string" ? Buffer.byteLength(contents) : contents.length);
const milliseconds = (t: number): number => Math.round(t * 100) / 100;

function summary(net: LoadedNet, batch: number): string {
  const cost = costOf(net.graph, batch);
  const { inputs, outputs } = ports(net.graph, batch);
  const side = (list: typeof inputs): string => list.map((p) => `${p.name} ${dims(p.shape)}`).join(", ");
  return `${net.name}    ${thousands(cost.params)} parameters · ${quantity(cost.macs, 3)} MACs · ${side(inputs)} → ${side(outputs)}`;
}

/** The cells of a target's line. */
function targetRow(folder: string, emitted: EmittedTarget, target: string): string[] {
  const { metrics, artifacts, graph, program } = emitted;
  const facts = [
    metrics.dispatches === undefined
      ? counted(program?.kernels.length ?? graph.nodes.length, program ? "kernel" : "layer")
      : `${counted(metrics.dispatches, "dispatch", "dispatches")} from ${counted(graph.nodes.length, "op")}`,
    ...(metrics.arenaBytes === undefined ? [] : [`arenas ${program?.memory.arenas.length ?? 1}, ${bytesText(metrics.arenaBytes)}`]),
  ];
  const kernels = artifacts.filter((a) => a.path.startsWith("kernels/")).length;
  const files = artifacts
    .filter((a) => !a.path.startsWith("kernels/") && !a.path.endsWith(".d.ts"))
    .map((a) => `${a.path} ${bytesText(sizeOf(a.contents))}`);
  return [target, folder, facts.join(" · "), [...files, ...(kernels ? [`kernels/ ${kernels}`] : [])].join("  ")];
}

interface Job {
  readonly session: Session;
  readonly options: CompileOptions;
  readonly config: Config;
  readonly targets: readonly ChosenTarget[];
  readonly opened: OpenedWeights;
  readonly memory: VectorMemory;
  readonly fileStore: (folder: string) => FileStore;
  readonly outputs: Output[];
  readonly meta: unknown[];
}

/** Stages and dry runs need no values; what looks at the finished files needs them in memory; everything else writes as it packs. */
function storeFor({ options, fileStore }: Job, folder: string): FileStore | WeightsStore | undefined {
  if (printsStage(options)) return sizesStore();
  if (options.check || options.validate || options.metafile !== undefined || options.outDir === "-") return undefined;
  return options.dryRun ? sizesStore() : fileStore(folder);
}

/** --validate: SE526 for what the target's own compiler refuses; says when it is not there. */
async function validate(session: Session, backend: Backend, artifacts: readonly Artifact[], net: string): Promise<void> {
  const verdict = backend.judge ? await backend.judge(artifacts, net) : { unavailable: "it has no compiler of its own" };
  if ("unavailable" in verdict) session.note(`not validated, ${backend.name}: ${verdict.unavailable}`);
  else for (const problem of verdict) session.diagnostics.report(messages.SE526.refused({ target: backend.name, problem }));
}

async function compileNet(job: Job, net: LoadedNet, before: { readonly parse: number; readonly check: number }): Promise<void> {
  const { session, options } = job;
  const batch = options.batch ?? 1;
  expectTensors(job.memory, net.graph.weights);
  const weights = weightsOf(session, net.graph, job.opened, options, job.memory);
  if (!weights) return;
  const human = !session.options.json && (options.emit === undefined || options.emit === "files");
  const rows: string[][] = [];
  let store: ReturnType<typeof storeFor>;
  try {
    for (const { backend, options: settings } of job.targets) {
      const start = session.io.now();
      const shown = path.posix.join(options.outDir ?? job.config.outDir ?? DEFAULT_OUT, net.name, backend.name);
      const folder = path.resolve(session.options.directory, shown);
      store = storeFor(job, folder);
      const remark = (r: Remark): void => {
        if (options.remarks) session.note(`remark: ${r.path}: ${r.text} (${r.pass})`);
      };
      const emitted = await emitTarget({
        backend,
        graph: net.graph,
        options: settings,
        weights,
        batch,
        level: options.optimize ?? job.config.optimize ?? 2,
        diagnostics: session.diagnostics,
        source: net.spec.argument.file.name,
        tree: net.tree,
        remark,
        onPass: passPrinter(session, options, net.name, backend.name),
        verify: options.verifyIr === true,
        now: session.io.now,
        store,
      });
      if (session.failed) return;
      if (emitStage(session, options, emitted, backend)) continue;
      if (options.validate) await validate(session, backend, emitted.artifacts, net.name);
      if (session.failed) return;
      const files = emitted.artifacts.map((a) => ({ path: `${shown}/${a.path}`, bytes: sizeOf(a.contents) }));
      if (options.outDir === "-") {
        printSingle(session, emitted, backend.name);
        continue;
      }
      let stale: string[] | undefined;
      const beforeWrite = session.io.now();
      if (options.check) {
        stale = staleFiles(folder, emitted.artifacts).map((f) => `${shown}/${f}`);
        for (const f of stale) if (human) session.note(`${f} differs from what sec would write`);
      } else if (!options.dryRun) {
        const stored = store && "stored" in store ? store.stored : undefined;
        if (!writeArtifacts(session, folder, emitted.artifacts, { force: options.force === true, shown, stored })) return;
        store = undefined;
      }
      const end = session.io.now();
      const timings: Timings = {
        ...before,
        ...emitted.timings,
        write: end - beforeWrite,
        total: before.parse + before.check + end - start,
      };
      for (const key of Object.keys(timings) as (keyof Timings)[]) timings[key] = milliseconds(timings[key]);
      job.outputs.push({
        net: net.name,
        target: backend.name,
        files,
        ...(emitted.metrics.dispatches === undefined ? {} : { dispatches: emitted.metrics.dispatches }),
        ...(emitted.metrics.arenaBytes === undefined ? {} : { arenaBytes: emitted.metrics.arenaBytes }),
        timings,
        ...(stale === undefined ? {} : { stale }),
      });
      if (options.metafile !== undefined) job.meta.push(await metaOf(job.outputs.at(-1) as Output, emitted));
      if (human) rows.push([...targetRow(shown, emitted, backend.name), ...(options.dryRun ? ["(not written)"] : [])]);
    }
  } finally {
    // an error, here or in the net: what was written of it goes
    if (store && "discard" in store) store.discard();
  }
  if (rows.length > 0) session.out(`${summary(net, batch)}\n${table(rows)}`);
}

/** `-o -`: the text of a target that is one file. */
function printSingle(session: Session, emitted: EmittedTarget, target: string): void {
  const texts = emitted.artifacts.filter(
    (a) => typeof a.contents === "string" && !a.path.endsWith(".d.ts") && !a.path.startsWith("kernels/"),
  );
  const [text] = texts;
  if (text) session.out(text.contents as string);
  else
    session.usage(messages.SE520.value({ option: "--out-dir", want: `a folder for target ${target}, which writes no text`, given: "-" }));
}

async function metaOf(output: Output, emitted: EmittedTarget): Promise<unknown> {
  const { createHash } = await import("node:crypto");
  const hashes = emitted.artifacts.map((a) => ({
    path: a.path,
    bytes: sizeOf(a.contents),
    sha256: createHash("sha256").update(a.contents).digest("hex"),
  }));
  const kernels = emitted.program?.kernels.map((k) => ({
    name: k.name,
    kind: k.kind,
    from: k.from.map((n) => n.path),
    ...("schedule" in k && k.schedule ? { schedule: k.schedule } : {}),
  }));
  return {
    ...output,
    files: hashes,
    ...(kernels ? { kernels } : {}),
    ...(emitted.program ? { memory: { arenas: emitted.program.memory.arenas, lowerBound: emitted.program.memory.lowerBound } } : {}),
  };
}

/** The command that checks what was compiled, to be pasted; nothing when it would need standard input again. */
function nextStep(options: CompileOptions, files: readonly string[], targets: readonly ChosenTarget[]): string {
  if (files.includes("-") || options.dryRun || options.outDir === "-") return "";
  const names = targets.map((t) => t.backend.name).join(",");
  const weights = options.weights === undefined ? [] : ["--weights", options.weights];
  const net = options.net === undefined ? [] : ["--net", options.net];
  return `; next: ${["sec", "verify", ...files, ...net, "--target", names, ...weights].map(shellWord).join(" ")}`;
}

/** Compiles every file; gives the files it read. */
async function compileAll(
  session: Session,
  options: CompileOptions,
  files: readonly string[],
): Promise<{ read: string[]; outputs: Output[] }> {
  const read: string[] = [];
  const outputs: Output[] = [];
  const meta: unknown[] = [];
  const began = session.io.now();
  const config = await readConfig(session);
  const targets = config && (await chooseTargets(session, options, config, DEFAULT_TARGETS));
  if (!config || !targets || !checkPassName(session, options) || !checkPrinted(session, options)) return { read, outputs };
  const opened = openWeights(session, options);
  if (!opened) return { read, outputs };
  const { metafile, force = false } = options;
  if (metafile !== undefined && writes(options) && !mayWriteNamed(session, metafile, { force })) return { read, outputs };
  const from = new Map<string, string>();
  const memory = vectorMemory();
  const fileStore = fileStores(memory, session.io.now);
  const job: Job = { session, options, config, targets, opened, memory, fileStore, outputs, meta };
  try {
    for (const file of files) {
      const start = session.io.now();
      const spec = await loadSpec(session, file, { net: options.net, stdinName: options.stdinName });
      const parse = session.io.now() - start;
      if (!spec) continue;
      read.push(...spec.workspace.files.map((f) => f.name), ...(spec.argument.path === undefined ? [] : [spec.argument.path]));
      if (options.emit === "ast") {
        session.out(JSON.stringify(specToJson(spec.workspace.spec as SpecFile), undefined, 2));
        continue;
      }
      const nets: { net: LoadedNet; check: number }[] = [];
      for (const name of spec.names) {
        const first = from.get(name);
        if (first !== undefined && !printsOnly(options))
          session.usage(messages.SE520.twice({ net: name, first, second: spec.argument.shown }));
        from.set(name, spec.argument.shown);
        const since = session.io.now();
        const net = buildNet(session, spec, name, options);
        if (net) nets.push({ net, check: session.io.now() - since });
      }
      // nothing is written of a file that has errors
      if (session.failed) continue;
      for (const { net, check } of nets) if (!session.failed) await compileNet(job, net, { parse, check });
    }
  } finally {
    opened.close();
  }
  if (session.failed) return { read, outputs };
  if (options.metafile !== undefined && writes(options)) {
    const text = `${JSON.stringify({ generator: WRITTEN_BY, outputs: meta }, undefined, 2)}\n`;
    if (!writeNamedFile(session, options.metafile, text, { force: options.force === true })) return { read, outputs };
  }
  if (!writes(options))
    for (const file of [options.metafile, options.dumpDir]) if (file !== undefined) session.note(`${file}  (not written)`);
  if (session.options.json) for (const o of outputs) session.json(o);
  else if (outputs.length > 0 && !options.check) {
    session.note(`done in ${Math.round(session.io.now() - began)} ms${nextStep(options, files, targets)}`);
  }
  return { read, outputs };
}

export const compileCommand: Register = (command, host) => {
  command
    .argument("<file...>", "spec files (.se, .json), shipped nets, FILE#NET, or -")
    .option("-o, --out-dir <DIR>", `output folder (default ${DEFAULT_OUT}); - prints a one-file target`);
  withStages(withSize(withWeights(withTargets(withNet(command)))))
    .option("--remarks", "say what was not fused, and why")
    .option("--verify-ir", "check the IR after every pass")
    .option("--validate", "also ask the target's own compiler, where it is installed")
    .option("--metafile <FILE>", "sizes, hashes, kernels, timings as JSON")
    .option("-n, --dry-run", "say what would be written")
    .option("--check", "write nothing; exit 1 when files on disk differ")
    .option("--force", "overwrite files that sec did not write")
    .option("-w, --watch", "compile again on change")
    .addHelpText(
      "after",
      "\nExamples:\n  sec compile net.se --target webgpu\n  sec compile se_resnet50 --weights model.safetensors -t cpu,tfjs\n  sec compile net.se --emit kernels -t webgpu",
    )
    .action(
      action<[readonly string[]], CompileOptions>(host, async (session, options, files) => {
        const given = [...files, ...(options.weights === undefined ? [] : [options.weights])];
        if (options.watch) return watchFiles(session, given, async (s) => (await compileAll(s, options, files)).read);
        const { outputs } = await compileAll(session, options, files);
        return outputs.some((o) => (o.stale?.length ?? 0) > 0) ? EXIT.errors : EXIT.ok;
      }),
    );
};
