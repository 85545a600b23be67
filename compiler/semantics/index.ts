/** From parsed files to the typed graph: loading, expansion, edits, shapes. */
export { buildGraph, type GraphOptions } from "./build-graph.ts";
export { type ExpandOptions, expandNet } from "./expand-net.ts";
export { expandAnew, expandCallAt } from "./expand-place.ts";
export { inferTree } from "./infer-types.ts";
export { libraryBlocks } from "./library.ts";
export { uniquePaths } from "./paths.ts";
export type { Definition, FileScope, Scope, SpecValue } from "./scope.ts";
export { type NetTree, pathOf, type TreeNode } from "./tree.ts";
export { loadWorkspace, type Workspace } from "./workspace.ts";
