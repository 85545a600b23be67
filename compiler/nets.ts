/** What a command needs that looks at nets and no more; without passes, weights and importers, which take long to start. */
export { costOf } from "./analysis/cost.ts";
export { buildGraph } from "./semantics/build-graph.ts";
export { expandNet } from "./semantics/expand-net.ts";
export { loadWorkspace } from "./semantics/workspace.ts";
