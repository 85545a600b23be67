/** `insert CALL as L PLACE S` (language.md section 9.2). */
import { messages } from "../diagnostics/messages.gen.ts";
import { sameType, shapeText, type TensorType } from "../ir/type.ts";
import type { InsertEdit } from "../syntax/ast.ts";
import { type EditContext, lineOf, markEdited, placeText, selectorText } from "./edit-context.ts";
import { type LevelNames, labelFor, namesIn } from "./edit-names.ts";
import { hasBody, type InsertMark, type Item, isNode, levelAround, pathOf, type TreeNode, typeName } from "./tree.ts";

/** Puts the call at every match; stops at the first one that does not work. */
export function applyInsert(cx: EditContext, edit: InsertEdit, matches: readonly TreeNode[], mark: InsertMark): boolean {
  if (!insidesExist(cx, edit, matches)) return false;
  const names: LevelNames = new Map();
  // what is put at the start of one match in several goes must stay in order, so insertions of this edit are told apart by the mark
  for (const match of matches) {
    const parent = parentFor(edit, match);
    const type = typeAt(edit, match);
    if (type === undefined) {
      cx.reportShapes();
      return false;
    }
    const label = labelFor(edit.as.text, match);
    if (!isFree(cx, edit, names, match, parent, label)) return false;
    const node = cx.tree.machine.callAt(cx.tree, edit.call, { scope: cx.scope, type, parent, label, part: label }, cx.diagnostics);
    if (!node) return false;
    if (!keepsShape(cx, edit, match, node, type)) return false;
    node.inserted = mark;
    put(edit, match, node);
    namesIn(names, levelAround(parent)).set(label, node);
    markEdited(cx, parent, edit);
  }
  return true;
}

/** "at start of" and "at end of" need an inside (SE306). */
function insidesExist(cx: EditContext, edit: InsertEdit, matches: readonly TreeNode[]): boolean {
  if (edit.place === "before" || edit.place === "after") return true;
  const solid = matches.find((m) => m.kind === "layer" || m.kind === "shared");
  if (!solid) return true;
  cx.report(
    messages.SE306.inside({
      type: typeName(solid) ?? "layer",
      selector: selectorText(edit.selector),
      place: pathOf(solid),
      instead: edit.place === "start" ? "before" : "after",
      place_word: placeText(edit.place),
    }),
    edit.placeSpan,
  );
  return false;
}

/** What the new layer is a child of. At the ends of a branch it lies in the branch, so its name is one of the level around. */
function parentFor(edit: InsertEdit, match: TreeNode): TreeNode {
  const inside = edit.place === "start" || edit.place === "end" || match.kind === "branch" || match.kind === "inline";
  return inside ? match : (match.parent ?? match);
}

const typeAt = (edit: InsertEdit, match: TreeNode): TensorType | undefined =>
  edit.place === "before" || edit.place === "start" ? match.in : match.out;

function isFree(cx: EditContext, edit: InsertEdit, cache: LevelNames, match: TreeNode, parent: TreeNode, label: string): boolean {
  const level = levelAround(parent);
  const other = namesIn(cache, level).get(label);
  if (!other) return true;
  const where = pathOf(level) === "" ? "the net" : `\`${pathOf(level)}\``;
  if (other.kind === "branch") {
    cx.report(messages.SE106.branch({ name: label, level: where }), edit.as.span, { help: "take another label" });
    return false;
  }
  const own = other.inserted?.edit === edit;
  const note = own
    ? `this edit puts it there more than once; another match in ${where} is ${match.kind === "branch" ? "the branch " : ""}${pathOf(match)}`
    : `the other one is ${pathOf(other)} (line ${lineOf(other.origin.via.at(-1) ?? other.origin.span)})`;
  const hasInside = hasBody(match) && match.kind === "level";
  const end = edit.place === "before" ? "at start of" : "at end of";
  const help = !own
    ? "take another label"
    : hasInside
      ? `say \`${end} ${selectorText(edit.selector)}\`, or \`as "{}_${edit.as.text}"\``
      : `say \`as "{}_${edit.as.text}"\`: {} is the match's own name`;
  cx.report(messages.SE106.taken({ name: label, level: where }), edit.as.span, { notes: [note], help });
  return false;
}

function keepsShape(cx: EditContext, edit: InsertEdit, match: TreeNode, node: TreeNode, type: TensorType): boolean {
  // unknown: its error was reported while the call was expanded
  if (node.out === undefined) return false;
  if (sameType(node.out, type)) return true;
  const call = edit.call.span.file.text.slice(edit.call.span.start, edit.call.span.end).replace(/\s+/g, " ");
  cx.report(
    messages.SE304.shape({ call, given: shapeText(type.shape), result: shapeText(node.out.shape), place: pathOf(match) }),
    edit.call.span,
  );
  return false;
}

/** Order of text = order of data flow: later ones come after earlier ones of the same place (language.md section 9.2). */
function put(edit: InsertEdit, match: TreeNode, node: TreeNode): void {
  switch (edit.place) {
    case "before":
      // what stands at the start of a merge lies nearer to it
      if (match.kind === "merge") spliceBefore(match.before, node, (n) => n.parent === match);
      else match.before.push(node);
      return;
    case "after":
      match.after.push(node);
      return;
    case "start":
      if (match.kind === "level") putFirst(match.items, node);
      else match.before.push(node);
      return;
    case "end":
      if (match.kind === "level") putLast(match.items, node);
      else if (match.kind === "merge") spliceBefore(match.after, node, (n) => n.parent !== match);
      else match.after.push(node);
      return;
    default:
      edit.place satisfies never;
  }
}

function spliceBefore(list: TreeNode[], node: TreeNode, stop: (n: TreeNode) => boolean): void {
  const index = list.findIndex(stop);
  list.splice(index < 0 ? list.length : index, 0, node);
}

/** After the input of a net, and after what earlier edits put first. */
function putFirst(items: Item[], node: TreeNode): void {
  let index = items[0]?.kind === "input" ? 1 : 0;
  for (let item = items[index]; item && isNode(item) && item.inserted && item.atStart; item = items[index]) index++;
  node.atStart = true;
  items.splice(index, 0, node);
}

/** The value of a net is that of its last output, so the layer comes before the outputs that name it. */
function putLast(items: Item[], node: TreeNode): void {
  let index = items.length;
  while (items[index - 1]?.kind === "output") index--;
  items.splice(index, 0, node);
}
