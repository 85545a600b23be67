/** Every value must be used (language.md section 6): SE107 for what no layer reads and no output names. */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { reportAtNode } from "./infer-types.ts";
import { isLibraryFile } from "./library.ts";
import { hasBody, type InputItem, type Item, type LevelNode, type NetTree, pathOf, type TreeNode, typeName } from "./tree.ts";
import { evaluateTree } from "./tree-values.ts";

interface Made {
  readonly by: TreeNode | InputItem | undefined;
  read: boolean;
}

export function checkUses(tree: NetTree, diagnostics: Diagnostics): void {
  const all: Made[] = [];
  const make = (by: Made["by"]): Made => {
    const made = { by, read: false };
    all.push(made);
    return made;
  };
  evaluateTree<Made>(tree.root, {
    input: make,
    layer(node, input, use) {
      input.read = true;
      return make(use ? undefined : node);
    },
    merge(node, branches, use, arriving) {
      for (const branch of branches) branch.read = true;
      if (node.word === "residual" && branches.length === 1) arriving.read = true;
      return make(use ? undefined : node);
    },
    leave(node, value) {
      // a shared use is named at the place of the use
      if (node.kind === "shared" && value.by === undefined) all.push(Object.assign(value, { by: node }));
    },
    output(_item, value) {
      value.read = true;
    },
    unknown: () => ({ by: undefined, read: true }),
  });
  const unused = new Set(all.filter((m) => !m.read && m.by !== undefined));
  for (const { by } of unused) reportUnused(tree, by as TreeNode | InputItem, diagnostics);
}

function reportUnused(tree: NetTree, by: TreeNode | InputItem, diagnostics: Diagnostics): void {
  if (by.kind === "input") {
    diagnostics.report(messages.SE107.input({ name: by.name }), by.origin.span);
    return;
  }
  const name = by.label === undefined ? (typeName(by) ?? by.part) : pathOf(by);
  const next = following(by);
  const message =
    next?.kind === "from"
      ? messages.SE107.jump({ name, jump: next.text })
      : next?.kind === "merge"
        ? messages.SE107.branches({ name, word: next.word })
        : messages.SE107.end({ name });
  tree.broken = true;
  if (isLibraryFile(by.nameSpan.file)) reportAtNode(diagnostics, by, message, by.nameSpan);
  else diagnostics.report(message, by.nameSpan);
}

/** The item that comes after the node in the text: in its body, or after the levels it ends. */
function following(node: TreeNode): Item | undefined {
  for (let at: TreeNode | LevelNode = node; at.parent; at = at.parent) {
    if (!hasBody(at.parent)) continue;
    const next: Item | undefined = at.parent.items[at.parent.items.indexOf(at) + 1];
    if (next) return next;
  }
  return undefined;
}
