/** A graph as people read it: attributes that have their op's default are left out. */
import type { Graph } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import { opRules } from "./rules.ts";

/** What `--emit graph` and `--print-after` print. */
export const graphText = (graph: Graph): string => printGraph(graph, opRules);
