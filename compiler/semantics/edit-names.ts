/** Names of a level while layers are put into it: what is taken, and what `as "{}_se"` becomes (language.md sections 6, 9.2). */
import type { TreeNode } from "./tree.ts";
import { children, isSilent } from "./tree.ts";

export type LevelNames = Map<TreeNode, Map<string, TreeNode>>;

/** Labels, numbers and branch names of the level; looked up once per edit. */
export function namesIn(cache: LevelNames, level: TreeNode): Map<string, TreeNode> {
  const known = cache.get(level);
  if (known) return known;
  const names = new Map<string, TreeNode>();
  const add = (node: TreeNode, numbers: boolean): void => {
    for (const n of node.before) add(n, numbers);
    if (node.label !== undefined) names.set(node.label, node);
    else if (node.kind === "branch") names.set(node.name, node);
    else if (numbers && node.kind !== "merge" && node.kind !== "inline") names.set(node.part, node);
    if (isSilent(node)) for (const n of children(node)) add(n, false);
    for (const n of node.after) add(n, numbers);
  };
  // numbers in a branch are for display only, they name no weight
  for (const n of children(level)) add(n, !isSilent(level) && level.kind !== "merge");
  cache.set(level, names);
  return names;
}

/** `{}` in the written label stands for the match's own label or number. */
export function labelFor(written: string, match: TreeNode): string {
  // every `main` of an imported net lies in one level, so the branch's name would not tell them apart
  const merge = match.kind === "branch" ? match.parent : match;
  if (merge?.kind === "merge" && merge.alias !== undefined) return written.replaceAll("{}", merge.alias);
  const own = match.kind === "branch" ? match.name : match.kind === "merge" && match.label === undefined ? match.word : match.part;
  return written.replaceAll("{}", own);
}
