/** A graph as people read it: attributes that have their op's default are left out. */
import type { Graph } from "../ir/graph.ts";
import { parseGraph } from "../ir/parse.ts";
import { printGraph } from "../ir/print.ts";
import { opRules } from "./rules.ts";

/** What `--emit graph` and `--print-after` print. */
export const graphText = (graph: Graph): string => printGraph(graph, opRules);

/** Reads `graphText` back. */
export const graphFromText = (text: string): Graph => parseGraph(text, opRules);
