/** `replace S with CALL` and `remove S` (language.md section 9.2). */
import { messages } from "../diagnostics/messages.gen.ts";
import { must } from "../invariant.ts";
import type { RemoveEdit, ReplaceEdit } from "../syntax/ast.ts";
import { counted, type EditContext, everyList, liesIn, lineOf, markEdited, selectorText } from "./edit-context.ts";
import { referenceSpan, referencesIn, referenceText } from "./edit-references.ts";
import { hasTensors } from "./infer-types.ts";
import { hasBody, type Item, isNode, pathOf, type Reference, type TreeNode, walk } from "./tree.ts";

/** The call reads what the match read, and takes its place, label and number. */
export function applyReplace(
  cx: EditContext,
  edit: ReplaceEdit,
  matches: readonly TreeNode[],
  init: "default" | "paper" | undefined,
): boolean {
  if (!canTakeAway(cx, edit, matches)) return false;
  const made = new Map<TreeNode, TreeNode>();
  for (const match of matches) {
    if (match.in === undefined) {
      cx.reportShapes();
      return false;
    }
    const place = { scope: cx.scope, type: match.in, parent: must(match.parent, "parent"), label: match.label, part: match.part };
    const node = cx.tree.machine.callAt(cx.tree, edit.call, place, cx.diagnostics);
    if (!node || !hasName(cx, edit, match, node)) return false;
    // what stood in an inserted block still belongs to it, what was inserted inside the old node is gone with it
    if (match.inserted) node.inserted = match.inserted;
    if (match.atStart) node.atStart = true;
    if (init !== undefined) node.init = init;
    node.before = match.before.filter((n) => n.parent !== match);
    node.after = match.after.filter((n) => n.parent !== match);
    markEdited(cx, place.parent, edit);
    made.set(match, node);
  }
  everyList(cx.tree.root, (list) => {
    for (const [i, item] of list.entries()) {
      const node = isNode(item) ? made.get(item) : undefined;
      if (node) list[i] = node;
    }
  });
  return true;
}

/** Readers of the match read what it read. What was inserted before and after it stays. */
export function applyRemove(cx: EditContext, edit: RemoveEdit, matches: readonly TreeNode[]): boolean {
  if (!canTakeAway(cx, edit, matches)) return false;
  const gone = new Set(matches);
  for (const match of matches) markEdited(cx, must(match.parent, "parent"), edit);
  const lists: (Item[] | TreeNode[])[] = [];
  everyList(cx.tree.root, (list) => {
    if (list.some((item) => isNode(item) && gone.has(item))) lists.push(list);
  });
  const stays = (item: Item): Item[] => {
    if (!isNode(item) || !gone.has(item)) return [item];
    return [...item.before, ...item.after].filter((n) => n.parent !== item).flatMap(stays);
  };
  for (const list of lists) (list as Item[]).splice(0, list.length, ...list.flatMap(stays));
  return true;
}

function canTakeAway(cx: EditContext, edit: ReplaceEdit | RemoveEdit, matches: readonly TreeNode[]): boolean {
  const selector = selectorText(edit.selector);
  const verb = edit.kind === "remove" ? "removed" : "replaced";
  const branch = matches.find((m) => m.kind === "branch" || m.kind === "inline");
  const set = new Set(matches);
  // before the branches: `layer4.**` reaches those too, but its mistake is that it takes things twice
  const nested = matches.find((m) => m.parent && matchAround(m.parent, set));
  if (nested) {
    let outer = nested;
    for (let up = outer.parent && matchAround(outer.parent, set); up; up = outer.parent && matchAround(outer.parent, set)) outer = up;
    const inside = matches.filter((n) => n !== outer && liesIn(n, outer)).length;
    cx.report(messages.SE312[verb]({ selector, place: pathOf(outer), count: counted(inside, "thing") }), edit.selector.span);
    return false;
  }
  if (branch) {
    cx.report(messages.SE307[verb]({ selector, place: pathOf(branch) }), edit.selector.span);
    return false;
  }
  const references = referencesIn(cx.tree.root);
  for (const reference of references) {
    const match = matchAround(reference.target, set);
    if (!match || liesIn(reference.holder, match)) continue;
    reportUsed(cx, edit, match, reference);
    return false;
  }
  return true;
}

function matchAround(node: TreeNode, set: ReadonlySet<TreeNode>): TreeNode | undefined {
  for (let at: TreeNode | undefined = node; at; at = at.parent) if (set.has(at)) return at;
  return undefined;
}

function reportUsed(cx: EditContext, edit: ReplaceEdit | RemoveEdit, match: TreeNode, reference: Reference): void {
  const p = { place: pathOf(match), user: referenceText(reference), line: lineOf(referenceSpan(reference)) };
  const inside = reference.target === match ? [] : [`it names ${pathOf(reference.target)} in it`];
  cx.report(edit.kind === "remove" ? messages.SE305.removed(p) : messages.SE305.replaced(p), edit.selector.span, { notes: inside });
}

/** Weights need a label where numbers name nothing: in a branch, or in place of an unlabelled merge (SE108). */
function hasName(cx: EditContext, edit: ReplaceEdit, match: TreeNode, node: TreeNode): boolean {
  if (match.label !== undefined) return true;
  const parent = must(match.parent, "parent");
  const nameless = match.kind === "merge" || parent.kind === "branch" || parent.kind === "inline";
  if (!nameless || !hasWeights(node)) return true;
  const branch = parent.kind === "branch" || parent.kind === "inline" ? parent.name : match.part;
  cx.report(messages.SE108.label({ branch, number: match.part, fixed: `conv: ${edit.call.name.text}(...)` }), edit.call.span, {
    notes: [`${pathOf(match)} has no label`],
    help: "give it a label in the net it comes from",
  });
  return false;
}

function hasWeights(node: TreeNode): boolean {
  // a level's own weights have labels or numbers below a number that another branch may have, too
  if (node.kind === "layer") return hasTensors(node, node.in);
  let found = false;
  if (hasBody(node) || node.kind === "merge")
    walk(node, (n) => {
      if (n.kind === "layer" && hasTensors(n, n.in)) found = true;
    });
  return found;
}
