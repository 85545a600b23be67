/** Expansion for edits: one call at a place of an existing tree, or a block or net of it with other arguments. */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { invariant } from "../invariant.ts";
import type { Call, Name } from "../syntax/ast.ts";
import { referencesIn, referenceText } from "./edit-references.ts";
import { expandCall, fillLevel } from "./expand-call.ts";
import { type Context, type Names, namesOf, type Place } from "./expand-context.ts";
import { childNamed, splitPath } from "./expand-jumps.ts";
import {
  type CallPlace,
  type CallSource,
  children,
  type ExpandMachine,
  type InlineNode,
  isSilent,
  type LevelNode,
  levelAround,
  type NetTree,
  type Reference,
  type TreeNode,
  walk,
} from "./tree.ts";

/**
 * Expands the call of an edit. The node has its parent, label and part, and is not yet in any list: the caller puts it there.
 * Undefined after errors, which are reported.
 */
export function expandCallAt(tree: NetTree, call: Call, place: CallPlace, diagnostics: Diagnostics): TreeNode | undefined {
  return tree.machine.callAt(tree, call, place, diagnostics);
}

/**
 * Expands a block or net of the tree anew, in place, with other given arguments (`set`). Its own `before` and `after` stay, and
 * jumps from outside into it are pointed at the new insides. False after errors, which are reported.
 */
export function expandAnew(tree: NetTree, node: LevelNode, given: CallSource["given"], diagnostics: Diagnostics): boolean {
  return tree.machine.anew(tree, node, given, diagnostics);
}

/** `outer`: the context of the net whose tree it is. */
export function expandMachine(outer: Context): ExpandMachine {
  return {
    callAt(tree, call, place, diagnostics) {
      const cx = contextIn(outer, tree, place.parent, diagnostics);
      const inside: Context = { ...cx, scope: place.scope, arriving: place.type };
      const holder: InlineNode = scratch(place.parent, call, place);
      const label: Name | undefined = place.label === undefined ? undefined : { text: place.label, quoted: false, span: call.span };
      const branch = label === undefined && isSilent(place.parent) ? place.parent.part : undefined;
      const names = call.name.text === "shared" ? namesAround(place.parent) : namesOf(levelAround(place.parent), undefined);
      if (label) names.labels.delete(label.text);
      const at: Place = { container: holder, names, counter: { counted: 0 }, branch };
      expandCall(inside, call, label, at, place.type);
      if (cx.tree.broken) tree.broken = true;
      const [node] = children(holder);
      if (!node || cx.tree.broken) return undefined;
      node.parent = place.parent;
      node.part = place.part;
      return node;
    },
    anew(tree, node, given, diagnostics, references) {
      const { source } = node;
      invariant(source?.call, "only a called block or net can be expanded anew");
      const cx = contextIn(outer, tree, node.parent ?? node, diagnostics);
      const old = new Set<TreeNode>();
      for (const child of children(node)) walk(child, (n) => old.add(n));
      const full = new Map([...given].map(([key, v]) => [key, { ...v, argSpan: v.span, positional: false }]));
      node.items = [];
      const from = { given: full, call: source.call, at: source.call.name.span };
      const via = node.origin.via;
      fillLevel({ ...cx, via }, { def: source.def, home: source.scope.home }, node, from, node.in);
      if (!cx.tree.broken) pointAnew(cx, references ?? referencesIn(tree.root), node, old);
      if (cx.tree.broken) tree.broken = true;
      return !cx.tree.broken;
    },
  };
}

/** The block or net around a place, for `in` and for what `from in` means. */
function ownerOf(parent: TreeNode, tree: NetTree): LevelNode {
  for (let at: TreeNode | undefined = parent; at; at = at.parent) if (at.kind === "level" && at.level !== "group") return at;
  return tree.root;
}

function contextIn(outer: Context, tree: NetTree, parent: TreeNode, diagnostics: Diagnostics): Context {
  const { origin } = tree.root;
  return {
    ...outer,
    diagnostics,
    tree: { count: tree.count, broken: false },
    owner: ownerOf(parent, tree),
    frame: undefined,
    via: tree.root.parent ? [origin.span, ...origin.via] : [],
  };
}

/** Holds the new node until the edit puts it where it belongs. */
const scratch = (parent: TreeNode, call: Call, place: CallPlace): InlineNode => ({
  kind: "inline",
  name: "main",
  items: [],
  parent,
  label: undefined,
  part: "",
  origin: { span: call.span, via: [] },
  nameSpan: call.name.span,
  before: [],
  after: [],
  in: place.type,
  out: undefined,
});

/** The names `shared` can use at a place: everything complete of the levels around it. */
function namesAround(parent: TreeNode): Names {
  const level = levelAround(parent);
  const isOwner = level.kind === "level" && level.level !== "group";
  const names = namesOf(level, isOwner || !level.parent ? undefined : namesAround(level.parent));
  const collect = (node: TreeNode): void => {
    for (const child of children(node)) {
      for (const n of [...child.before, child, ...child.after]) {
        if (n.label !== undefined) names.labels.set(n.label, { node: n, span: n.nameSpan, done: true });
      }
      if (isSilent(child)) collect(child);
    }
  };
  collect(level);
  return names;
}

/** Jumps and shared uses outside `node` that named something inside it: the same parts of the new insides. */
function pointAnew(cx: Context, references: readonly Reference[], node: LevelNode, old: ReadonlySet<TreeNode>): void {
  for (const reference of references) {
    if (!old.has(reference.target)) continue;
    const parts: string[] = [];
    for (let at: TreeNode | undefined = reference.target; at && at !== node; at = at.parent) if (!isSilent(at)) parts.unshift(at.part);
    let found: TreeNode | undefined = node;
    for (const part of parts) found = found && childNamed(found, part);
    const { by, output } = reference;
    if (!found) {
      const what = referenceText(reference);
      cx.tree.broken = true;
      cx.diagnostics.report(messages.SE117.gone({ what, name: splitPath(by.kind === "from" ? by.text : by.of).join(".") }), by.origin.span);
    } else if (by.kind === "shared") by.target = found;
    else if (output && found.kind === "level") {
      const item = found.items.find((i) => i.kind === "output" && i.name === output.name);
      if (item?.kind === "output") by.target = { kind: "output", item, net: found };
    } else by.target = { kind: "node", node: found };
  }
}
