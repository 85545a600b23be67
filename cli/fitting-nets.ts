/** Nets that ship and have exactly the tensors of a weight file: asked when the file does not fit the net it was given for. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Diagnostics } from "../compiler/diagnostics/diagnostic.ts";
import { fitsWhole, type StoredTensor, tensorNamesKey } from "../compiler/index.ts";
import { buildGraph, expandNet, loadWorkspace } from "../compiler/nets.ts";
import { packageRoot, shippedNets } from "./package-root.ts";
import type { Session } from "./session.ts";
import { fileHost, readSpecArgument } from "./spec-files.ts";

/** The hash of the names leaves a few nets, which are expanded to compare shapes; `except` is not among them. */
export function netsThatFit(session: Session, tensors: ReadonlyMap<string, StoredTensor>, except: string): string[] {
  const text = readFileSync(path.join(packageRoot(), "specs", "tensor-names.json"), "utf8");
  const byNames = JSON.parse(text) as Readonly<Record<string, string>>;
  const candidates = byNames[tensorNamesKey([...tensors.keys()])]?.split(" ") ?? [];
  const host = fileHost(session);
  const { fileOf } = shippedNets();
  const found = candidates.filter((net) => {
    const file = net === except ? undefined : fileOf.get(net);
    const argument = file === undefined ? undefined : readSpecArgument(session, file);
    if (!argument) return false;
    const ignored = new Diagnostics();
    const tree = expandNet(loadWorkspace(argument.file, host, ignored), net, ignored);
    const graph = tree && buildGraph(tree, ignored);
    return graph !== undefined && fitsWhole(graph, tensors);
  });
  // a net has a shorter name than what is made from it
  return found.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
}
