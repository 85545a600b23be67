/** From FILE arguments to graphs: what every command that looks at nets starts with. */
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../compiler/diagnostics/suggest.ts";
// not the index: `sec check` starts in a third of the time when it leaves passes, lowering and weights alone
import { buildGraph, expandNet, loadWorkspace } from "../compiler/frontend.ts";
import type { Graph, NetTree, Workspace } from "../compiler/index.ts";
import type { NetOptions } from "./options.ts";
import type { Session } from "./session.ts";
import { fileHost, readSpecArgument, type SpecArgument } from "./spec-files.ts";

export interface LoadedSpec {
  readonly argument: SpecArgument;
  readonly workspace: Workspace;
  /** The nets the command is about, in order. */
  readonly names: readonly string[];
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

/** Parses FILE and what it uses, and decides which nets are meant. Undefined when that cannot be said; the reason is reported. */
export function loadSpec(session: Session, file: string, which: WhichNets): LoadedSpec | undefined {
  const argument = readSpecArgument(session, file, which.stdinName);
  if (!argument) return undefined;
  const workspace = loadWorkspace(argument.file, fileHost(session), session.diagnostics);
  const named = which.net ?? argument.net;
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
    return { argument, workspace, names: [named] };
  }
  // nets with parameters that have no default are templates for others
  const names = workspace.declared.filter((n) => workspace.isComplete(n));
  if (!which.one) return { argument, workspace, names };
  if (names.length === 1) return { argument, workspace, names };
  if (session.diagnostics.hasErrors) return undefined;
  if (names.length === 0) session.usage(messages.SE521.none({ file: argument.shown }));
  else {
    session.usage(
      messages.SE521.choose({
        file: argument.shown,
        count: names.length,
        command: which.one.command,
        first: names[0] as string,
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
}

/** Expands one net and builds its graph. Undefined when there are errors, which are then reported. */
export function buildNet(session: Session, spec: LoadedSpec, name: string, options: BuildOptions = {}): LoadedNet | undefined {
  const { shape, init } = options;
  const tree = expandNet(spec.workspace, name, session.diagnostics, shape ? { shapes: shape } : {});
  if (!tree || session.diagnostics.hasErrors) return undefined;
  const graph = buildGraph(tree, session.diagnostics, init ? { init } : {});
  return graph && !session.diagnostics.hasErrors ? { name, spec, tree, graph } : undefined;
}

/** The one net of a command that needs one. */
export function loadOneNet(session: Session, file: string, command: string, options: BuildOptions & NetOptions): LoadedNet | undefined {
  const spec = loadSpec(session, file, { net: options.net, one: { command }, stdinName: options.stdinName });
  return spec && buildNet(session, spec, spec.names[0] as string, options);
}
