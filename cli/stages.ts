/** What `sec compile` prints on the way: stages in place of files (--emit), the IR after passes (--print-after, --dump-dir). */
import path from "node:path";
import { type Command, Option } from "commander";
import { type Backend, WRITTEN_BY } from "../backends/backend.ts";
import { type EmittedTarget, scheduled } from "../backends/emit.ts";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../compiler/diagnostics/suggest.ts";
import { type Graph, graphPasses, kernelPasses, type Program, printGraph, printProgram } from "../compiler/index.ts";
import type { Session } from "./session.ts";
import type { emitTarget } from "./targets.ts";
import { writeNamedFile } from "./write.ts";

export interface StageOptions {
  readonly outDir?: string;
  readonly emit?: "ast" | "graph" | "kernels" | "files";
  readonly printAfter?: string;
  readonly dumpDir?: string;
  readonly dryRun?: boolean;
  readonly check?: boolean;
  readonly force?: boolean;
}

export const withStages = (c: Command): Command =>
  c
    .addOption(new Option("--emit <STAGE>", "stop there and print").choices(["ast", "graph", "kernels", "files"]))
    .option("--print-after <PASS>", "print the IR after a pass, or `all`")
    .option("--dump-dir <DIR>", "write the IR after every pass that changed it");

/** --dry-run and --check write nothing, whatever else is asked for. */
export const writes = (options: StageOptions): boolean => !options.dryRun && !options.check;

/** A stage on the way, in place of files. */
export const printsStage = ({ emit }: StageOptions): boolean => emit === "graph" || emit === "kernels";

export const printsOnly = (options: StageOptions): boolean => printsStage(options) || options.outDir === "-";

/** What prints text on standard output, where --json promises JSON and nothing else. */
export function checkPrinted(session: Session, options: StageOptions): boolean {
  if (!session.options.json) return true;
  const printed = [
    ...(printsStage(options) ? [`--emit ${options.emit}`] : []),
    ...(options.printAfter === undefined ? [] : ["--print-after"]),
    ...(options.outDir === "-" ? ["--out-dir -"] : []),
  ];
  for (const option of printed)
    session.usage(messages.SE520.option({ problem: `\`${option}\` prints text, \`--json\` only JSON: leave one out`, command: "compile" }));
  return printed.length === 0;
}

/** Whether --print-after names a pass, or `all`. */
export function checkPassName(session: Session, options: StageOptions): boolean {
  const names = [...graphPasses, ...kernelPasses].map((p) => p.name);
  const given = options.printAfter;
  if (given === undefined || given === "all" || names.includes(given)) return true;
  const near = nearest(given, names);
  session.usage(messages.SE520.value({ option: "--print-after", want: "`all` or the name of a pass", given }), undefined, {
    help: near ? `did you mean \`${near}\`?` : `the passes are ${[...new Set(names)].join(", ")}`,
  });
  return false;
}

type EmitHook = NonNullable<Parameters<typeof emitTarget>[0]["onPass"]>;

/** Prints IR after passes (--print-after) and into --dump-dir, numbered in pass order. */
export function passPrinter(session: Session, options: StageOptions, net: string, target: string): EmitHook | undefined {
  if (options.printAfter === undefined && options.dumpDir === undefined) return undefined;
  let step = 0;
  return (report) => {
    const text = (): string => ("kernels" in report.after ? printProgram(report.after as Program) : printGraph(report.after as Graph));
    step++;
    const title = `after ${report.pass}${report.changed ? "" : " (unchanged)"}`;
    if (options.printAfter === report.pass || options.printAfter === "all")
      session.out(`# ${net}, ${target}: ${title}\n${report.changed ? text() : ""}`);
    if (options.dumpDir !== undefined && report.changed && writes(options)) {
      const file = path.posix.join(options.dumpDir, `${net}.${target}.${String(step).padStart(2, "0")}-${report.pass}.txt`);
      writeNamedFile(session, file, `# ${WRITTEN_BY}: ${net}, ${target}, ${title}\n${text()}`, { force: options.force === true });
    }
  };
}

/** What --emit prints instead of writing files. */
export function emitStage(session: Session, options: StageOptions, emitted: EmittedTarget, backend: Backend): boolean {
  if (options.emit === "graph") session.out(printGraph(emitted.graph));
  else if (options.emit === "kernels")
    session.out(emitted.program ? printProgram(scheduled(backend, emitted.program)) : printGraph(emitted.graph));
  else return false;
  return true;
}
