/** From FILE arguments to graphs: what every command that looks at nets starts with. */
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../compiler/diagnostics/suggest.ts";
import type { Graph, ImportOnnx, NetTree, Workspace } from "../compiler/index.ts";
// not the index: `sec check` starts in a third of the time when it leaves passes, lowering, weights and importers alone
import { buildGraph, expandNet, loadWorkspace } from "../compiler/nets.ts";
import type { NetOptions } from "./options.ts";
import { dims, shellWord } from "./report.ts";
import type { Session } from "./session.ts";
import { fileHost, readSpecArgument, type SpecArgument } from "./spec-files.ts";

export interface LoadedSpec {
  readonly argument: SpecArgument;
  readonly workspace: Workspace;
  /** The nets the command is about, in order. */
  readonly names: readonly string[];
  readonly importOnnx: ImportOnnx | undefined;
}

export interface LoadedNet {
  readonly name: string;
  readonly spec: LoadedSpec;
  readonly tree: NetTree;
  readonly graph: Graph;
}

export interface WhichNets {
  /** --net. */
  readonly net?: string | undefined;
  /** Commands that work on one net. */
  readonly one?: { readonly command: string };
  readonly stdinName?: string | undefined;
}

const list = (names: readonly string[]): string => names.map((n) => `\`${n}\``).join(", ");

/** What reads the model files of a workspace; loaded only where there are some. */
export async function importerFor({ readsModels }: Workspace): Promise<ImportOnnx | undefined> {
  return readsModels ? (await import("../compiler/models.ts")).importOnnx : undefined;
}

/** Parses FILE and what it uses, and decides which nets are meant. Undefined when that cannot be said; the reason is reported. */
export async function loadSpec(session: Session, file: string, which: WhichNets): Promise<LoadedSpec | undefined> {
  const argument = readSpecArgument(session, file, which.stdinName);
  if (!argument) return undefined;
  const workspace = loadWorkspace(argument.file, fileHost(session), session.diagnostics);
  const importOnnx = await importerFor(workspace);
  const isTemplate = argument.family === true && argument.net !== undefined && !workspace.isComplete(argument.net);
  const named = which.net ?? (isTemplate ? undefined : argument.net);
  if (named !== undefined) {
    if (workspace.visible(named) === undefined) {
      if (session.diagnostics.hasErrors) return undefined;
      const near = nearest(named, workspace.declared);
      session.usage(
        messages.SE521.unknown({ name: named, file: argument.shown, names: list(workspace.declared) }),
        undefined,
        near ? { help: `did you mean \`${near}\`?` } : {},
      );
      return undefined;
    }
    return { argument, workspace, importOnnx, names: [named] };
  }
  // nets with parameters that have no default are templates for others
  const names = workspace.declared.filter((n) => workspace.isComplete(n));
  if (!which.one || names.length === 1) return { argument, workspace, importOnnx, names };
  if (session.diagnostics.hasErrors) return undefined;
  if (names.length === 0) session.usage(messages.SE521.none({ file: argument.shown }));
  else {
    session.usage(
      messages.SE521.choose({
        file: argument.shown,
        count: names.length,
        command: which.one.command,
        first: shellWord(`${argument.shown}#${names[0]}`),
        names: list(names),
      }),
    );
  }
  return undefined;
}

/** Flags that shape the graph. */
export interface BuildOptions {
  readonly shape?: Readonly<Record<string, readonly number[]>>;
  readonly init?: "default" | "paper";
  readonly batch?: number;
}

/** Expands one net and builds its graph. Undefined when there are errors, which are then reported. */
export function buildNet(session: Session, spec: LoadedSpec, name: string, options: BuildOptions = {}): LoadedNet | undefined {
  const { shape, init, batch } = options;
  const tree = expandNet(spec.workspace, name, session.diagnostics, { importOnnx: spec.importOnnx, ...(shape ? { shapes: shape } : {}) });
  if (!tree || session.diagnostics.hasErrors) return undefined;
  const graph = buildGraph(tree, session.diagnostics, init ? { init } : {});
  if (graph && shape) checkShapes(session, graph, shape);
  if (graph && batch !== undefined) checkBatch(session, graph, batch);
  return graph && !session.failed ? { name, spec, tree, graph } : undefined;
}

/** --shape: every name is an input, and has as many sizes as the input. */
function checkShapes(session: Session, graph: Graph, shapes: Readonly<Record<string, readonly number[]>>): void {
  const names = graph.inputs.map((v) => v.name);
  for (const [name, sizes] of Object.entries(shapes)) {
    const input = graph.inputs.find((v) => v.name === name);
    if (!input) {
      const near = nearest(name, names);
      session.usage(
        messages.SE524.unknown({ net: graph.name, name, names: names.join(", ") }),
        undefined,
        near ? { help: `did you mean \`${near}\`?` } : {},
      );
    } else if (input.type.shape.length !== sizes.length) {
      session.usage(messages.SE524.shape({ file: "--shape", have: dims(sizes), name, want: dims(input.type.shape) }));
    }
  }
}

/** --batch binds the open size; where none is open it must say what the net says. */
function checkBatch(session: Session, graph: Graph, batch: number): void {
  const closed = graph.inputs.find((v) => typeof v.type.shape[0] === "number" && v.type.shape[0] !== batch);
  if (!closed) return;
  const want = `the batch size of the input \`${closed.name}\`, which is fixed as ${dims(closed.type.shape)}`;
  session.usage(messages.SE520.value({ option: "--batch", want, given: String(batch) }));
}

/** The one net of a command that needs one. */
export async function loadOneNet(
  session: Session,
  file: string,
  command: string,
  options: BuildOptions & NetOptions,
): Promise<LoadedNet | undefined> {
  const spec = await loadSpec(session, file, { net: options.net, one: { command }, stdinName: options.stdinName });
  return spec && buildNet(session, spec, spec.names[0] as string, options);
}
