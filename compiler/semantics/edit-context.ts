/** What the edits of one net share: where they work, what they see, how they report. */
import type { Diagnostics, Extra, Message } from "../diagnostics/diagnostic.ts";
import type { TensorType } from "../ir/type.ts";
import { position, type Span } from "../source.ts";
import type { Edit } from "../syntax/ast.ts";
import { formatSelector } from "../syntax/format-parts.ts";
import type { Env } from "./evaluate.ts";
import type { Scope } from "./scope.ts";
import { type Item, levelAround, type NetTree, pathOf, type TreeNode } from "./tree.ts";

export interface EditContext {
  readonly tree: NetTree;
  /** Name of the net that is edited, for messages. */
  readonly base: string;
  /** The parameters and definitions of the net the edits stand in. */
  readonly scope: Scope;
  readonly diagnostics: Diagnostics;
  /** Reports and marks the tree as broken. */
  readonly report: (message: Message, place: Span, extra?: Extra) => void;
  /** Reports the shape errors that earlier edits left; for an edit that needs a type nobody knows. */
  readonly reportShapes: () => void;
}

/** What an expression in an edit sees; `in` and `here` are the value at the place, null where there is no place yet. */
export const envAt = (cx: EditContext, type: TensorType | undefined | null): Env => ({
  scope: cx.scope,
  arriving: type,
  here: type,
  report: cx.report,
});

/** "after @residual.main", the way titles name an edit's place. */
export function editText(edit: Edit): string {
  const at = selectorText(edit.selector);
  switch (edit.kind) {
    case "insert":
      return `${placeText(edit.place)} ${at}`;
    case "replace":
    case "remove":
    case "set":
      return `${edit.kind} ${at}`;
    default:
      return edit satisfies never;
  }
}

export function placeText(place: "before" | "after" | "start" | "end"): string {
  return place === "start" || place === "end" ? `at ${place} of` : place;
}

/** The selector in canonical text: JSON strings and odd spacing read alike. */
export const selectorText = formatSelector;

export const lineOf = (span: Span): number => position(span.file, span.start).line;

/** "1 place", "16 places". */
export const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : what.endsWith("ch") ? "es" : "s"}`;

/** "layer1.0 .. layer3.5", or all of them when they are few; branches by the block they are in when that tells them apart. */
export function placesText(nodes: readonly TreeNode[]): string {
  const short = new Set(nodes.map((node) => pathOf(node.kind === "branch" ? levelAround(node) : node)));
  const names = short.size === nodes.length && !short.has("") ? [...short] : nodes.map(pathOf);
  return names.length <= 4 ? names.join(", ") : `${names[0]} .. ${names.at(-1)}`;
}

/** True if `node` is `ancestor` or lies in it. */
export function liesIn(node: TreeNode, ancestor: TreeNode): boolean {
  for (let at: TreeNode | undefined = node; at; at = at.parent) if (at === ancestor) return true;
  return false;
}

/** Remembers that an edit of this net changed something directly in `container`: `set` must not undo it (SE309). */
export function markEdited(cx: EditContext, container: TreeNode, edit: Edit): void {
  container.edited = { span: edit.span, root: cx.tree.root };
}

/** Calls `visit` for every list of nodes in the tree, with the items in it. */
export function everyList(root: TreeNode, visit: (list: Item[] | TreeNode[]) => void): void {
  const search = (node: TreeNode): void => {
    visit(node.before);
    for (const n of node.before) search(n);
    if (node.kind === "merge") for (const branch of node.branches) search(branch);
    else if ("items" in node) {
      visit(node.items);
      for (const item of node.items) if ("before" in item) search(item);
    }
    visit(node.after);
    for (const n of node.after) search(n);
  };
  search(root);
}
