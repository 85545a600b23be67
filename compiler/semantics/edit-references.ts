/** Who names a part of the net: `from` and `shared` (language.md section 7). Such parts cannot be taken away (SE305). */
import type { Span } from "../source.ts";
import { hasBody, type LevelNode, type Reference, type TreeNode } from "./tree.ts";

/** All references to nodes, in tree order. `from in` and inputs belong to the level itself and go with it. */
export function referencesIn(root: LevelNode): Reference[] {
  const found: Reference[] = [];
  const search = (node: TreeNode): void => {
    for (const n of node.before) search(n);
    if (node.kind === "shared") found.push({ by: node, holder: node, target: node.target, output: undefined });
    if (node.kind === "merge") for (const branch of node.branches) search(branch);
    else if (hasBody(node))
      for (const item of node.items) {
        if (item.kind === "from") {
          const { target } = item;
          if (target.kind === "node") found.push({ by: item, holder: node, target: target.node, output: undefined });
          if (target.kind === "output") found.push({ by: item, holder: node, target: target.net, output: target.item });
        } else if (item.kind !== "input" && item.kind !== "output") search(item);
      }
    for (const n of node.after) search(n);
  };
  search(root);
  return found;
}

/** "from enc1", `shared("fc1")`: the way the user wrote it. */
export const referenceText = ({ by }: Reference): string => (by.kind === "from" ? `from ${by.text}` : `shared("${by.of}")`);

export const referenceSpan = ({ by }: Reference): Span => by.origin.span;
