/** The way from a spec file to typed graphs, whole: what `sec check`, the editors and the tests call. */
import { type Diagnostic, Diagnostics } from "./diagnostics/diagnostic.ts";
import type { Host } from "./host.ts";
import { importOnnx } from "./import/onnx.ts";
import type { Graph } from "./ir/graph.ts";
import { buildGraph } from "./semantics/build-graph.ts";
import { expandNet } from "./semantics/expand-net.ts";
import type { NetTree } from "./semantics/tree.ts";
import { loadWorkspace, type Workspace } from "./semantics/workspace.ts";
import { type SourceFile, sourceFile } from "./source.ts";
import type { Selector } from "./syntax/ast.ts";
import { wholeFile } from "./syntax/fragment.ts";
import { parseSelector } from "./syntax/parse.ts";

export interface CheckedNet {
  readonly name: string;
  readonly tree: NetTree;
  readonly graph: Graph;
}

export interface Frontend {
  readonly workspace: Workspace;
  /** The nets without errors, in text order; nets with a parameter that has no default are templates and are left out. */
  readonly nets: readonly CheckedNet[];
}

export interface FrontendOptions {
  /** Only this net; it may come from a used file. Default: every net the entry file declares. */
  readonly net?: string;
  /** Sizes that replace the declared ones, by input. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
}

/** Parses, expands and infers; what is wrong is added to `diagnostics`, and what is right is returned all the same. */
export function compileFrontend(entry: SourceFile, host: Host, diagnostics: Diagnostics, options: FrontendOptions = {}): Frontend {
  const workspace = loadWorkspace(entry, host, diagnostics);
  if (workspace.isBroken) return { workspace, nets: [] };
  const names = options.net === undefined ? workspace.declared.filter((name) => workspace.isComplete(name)) : [options.net];
  const nets: CheckedNet[] = [];
  for (const name of names) {
    // one net's mistakes do not hide another net
    const own = new Diagnostics();
    const tree = expandNet(workspace, name, own, { importOnnx, ...(options.shapes ? { shapes: options.shapes } : {}) });
    const graph = tree && buildGraph(tree, own);
    for (const item of own.all) diagnostics.add(item);
    if (tree && graph) nets.push({ name, tree, graph });
  }
  return { workspace, nets };
}

/** Everything that is wrong with a file, and its nets. */
export function check(
  entry: SourceFile,
  host: Host,
): { readonly diagnostics: readonly Diagnostic[]; readonly nets: readonly CheckedNet[] } {
  const diagnostics = new Diagnostics();
  const { nets } = compileFrontend(entry, host, diagnostics);
  return { diagnostics: diagnostics.all, nets };
}

/** A selector from the command line; undefined after a mistake, which is reported in a file called "selector". */
export const parseSelectorText = (text: string, diagnostics: Diagnostics): Selector | undefined =>
  parseSelector(wholeFile(sourceFile("selector", text)), diagnostics);
