/** Nets for the tests of selectors, edits and `init preserve`: texts and samples, expanded. */
import { existsSync, readFileSync } from "node:fs";
import type { Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Host } from "../../compiler/host.ts";
import { numel } from "../../compiler/ir/type.ts";
import { buildGraph } from "../../compiler/semantics/build-graph.ts";
import { expandNet } from "../../compiler/semantics/expand-net.ts";
import type { NetTree } from "../../compiler/semantics/tree.ts";
import { loadWorkspace, type Workspace } from "../../compiler/semantics/workspace.ts";
import { sourceFile } from "../../compiler/source.ts";

export const SAMPLES = "test/fixtures/samples";

/** Serves the samples by name, and `sec/NAME.se` from the nets that ship. */
const host: Host = {
  readText(path) {
    const file = path.startsWith("sec/") ? `specs/nets/${path.slice(4)}` : `${SAMPLES}/${path}`;
    return existsSync(file) ? { ok: true, text: readFileSync(file, "utf8") } : { ok: false, reason: "there is no such file" };
  },
};

export interface Expanded {
  readonly tree: NetTree | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export function load(text: string, name = "net.se"): Workspace {
  const diagnostics = new Diagnostics();
  const workspace = loadWorkspace(sourceFile(name, text), host, diagnostics);
  if (diagnostics.hasErrors) throw new Error(diagnostics.all.map((d) => `${d.code} ${d.title}`).join("\n"));
  return workspace;
}

export function expand(text: string, net: string, name = "net.se"): Expanded {
  const diagnostics = new Diagnostics();
  const tree = expandNet(load(text, name), net, diagnostics);
  return { tree, diagnostics: diagnostics.all };
}

/** The tree of a net that must expand. */
export function treeOf(text: string, net: string): NetTree {
  const { tree, diagnostics } = expand(text, net);
  if (!tree) throw new Error(diagnostics.map((d) => `${d.code} ${d.title} ${d.notes.join("; ")}`).join("\n"));
  return tree;
}

export const sample = (file: string): string => readFileSync(`${SAMPLES}/${file}`, "utf8");

/** Trainable parameters and tensors of the whole state dict. */
export function sizes(tree: NetTree): { parameters: number; tensors: number } {
  const graph = buildGraph(tree, new Diagnostics());
  if (!graph) throw new Error("no graph");
  const parameters = graph.weights.filter((w) => w.trainable).reduce((n, w) => n + numel(w.value.type.shape), 0);
  return { parameters, tensors: graph.weights.length };
}

export function tensorNames(tree: NetTree): string[] {
  return buildGraph(tree, new Diagnostics())?.weights.map((w) => w.path) ?? [];
}

/** "SE301: title" of every error. */
export const codes = (expanded: Expanded): string[] => expanded.diagnostics.map((d) => d.code);
