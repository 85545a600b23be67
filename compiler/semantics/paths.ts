/** One path per node, for listings and messages, unique in the net. */
import { must } from "../invariant.ts";
import { isSilent, type LevelNode, levelAround, type TreeNode, walk } from "./tree.ts";

/**
 * Nodes whose name in weight files is fixed by labels and numbers keep exactly that: "layer1.0.conv1". All others (numbers inside
 * branches, unlabelled merges, branches) read as `pathOf` says: "layer1.0.main.2", "layer1.0.@residual"; where two would be equal,
 * because one level has two merges of the same form, the later one gets "~2", "~3", ... at its end. Linear in the number of nodes.
 */
export function uniquePaths(root: LevelNode): ReadonlyMap<TreeNode, string> {
  const paths = new Map<TreeNode, string>();
  const exact = new Set<TreeNode>([root]);
  const taken = new Set<string>();
  const next = new Map<string, number>();

  const prefixOf = (node: TreeNode): string => paths.get(levelAround(must(node.parent, "parent"))) ?? "";
  walk(root, (node) => {
    if (node === root) paths.set(root, "");
    else if (hasWeightName(node) && exact.has(levelAround(must(node.parent, "parent")))) {
      exact.add(node);
      paths.set(node, join(prefixOf(node), [node.part]));
      taken.add(must(paths.get(node), "path"));
    }
  });
  walk(root, (node) => {
    if (exact.has(node)) return;
    const wanted =
      node.kind === "branch"
        ? join(must(paths.get(must(node.parent, "merge")), "path of a merge"), [node.part])
        : join(prefixOf(node), partsOf(node));
    let path = wanted;
    for (let n = next.get(wanted) ?? 2; taken.has(path); n++) {
      path = `${wanted}~${n}`;
      next.set(wanted, n + 1);
    }
    taken.add(path);
    paths.set(node, path);
  });
  return paths;
}

/** Labelled, or numbered by its level; what has a number inside a branch has none in weight files. */
const hasWeightName = (node: TreeNode): boolean =>
  node.label !== undefined || (!isSilent(node) && node.parent !== undefined && !isSilent(node.parent));

/** The names of the branches between the level and the node, then its own part. */
function partsOf(node: TreeNode): string[] {
  const parts = [node.part];
  if (node.label !== undefined) return parts;
  for (let at = node.parent; at && isSilent(at); at = at.parent) if (at.kind !== "merge") parts.unshift(at.part);
  return parts;
}

const join = (prefix: string, parts: readonly string[]): string => (prefix === "" ? parts : [prefix, ...parts]).join(".");
