/**
 * Edits of a derived net, top to bottom, each on the result of those before it (language.md section 9). Matches are collected
 * before anything changes. Shapes are worked out anew after each edit; what is still wrong after the last one is reported.
 */
import { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { unreachable } from "../invariant.ts";
import type { Edit, InsertEdit, ReplaceEdit, Selector } from "../syntax/ast.ts";
import { counted, type EditContext, editText, envAt, lineOf, placesText, selectorText } from "./edit-context.ts";
import { applyInsert } from "./edit-insert.ts";
import { nearMisses, reportNoMatch } from "./edit-near-misses.ts";
import { applyRemove, applyReplace } from "./edit-replace.ts";
import { applySet } from "./edit-set.ts";
import { evaluate, kindText } from "./evaluate.ts";
import { inferTree } from "./infer-types.ts";
import { matchSelector } from "./match-selector.ts";
import type { Scope } from "./scope.ts";
import { type InsertMark, type NetTree, pathOf, type TreeNode, walk } from "./tree.ts";

const POLICIES = ["default", "paper", "preserve"] as const;
type Policy = (typeof POLICIES)[number];

/**
 * Changes `tree` in place. `scope` is that of the net the edits stand in. Every mistake is reported; then `tree.broken` is set.
 * `base` is what messages call the net that is edited.
 * `init preserve` is only noted here: `finishInsertions` proves it once the outermost net is complete.
 */
export function applyEdits(tree: NetTree, edits: readonly Edit[], scope: Scope, diagnostics: Diagnostics, base = tree.name): void {
  let shapes = new Diagnostics();
  const cx: EditContext = {
    tree,
    base,
    scope,
    diagnostics,
    report(message, place, extra) {
      if (message.severity === "error") tree.broken = true;
      diagnostics.report(message, place, extra);
    },
    reportShapes() {
      tree.broken = true;
      for (const d of shapes.all) diagnostics.add(d);
    },
  };
  const firstGroup = nextGroup(tree);
  for (const [i, edit] of edits.entries()) {
    if (!checkInit(cx, edit)) continue;
    const matches = matchesOf(cx, edit);
    if (!matches || matches.length === 0) continue;
    tree.onMatches?.(edit, matches.length);
    applyEdit(cx, edit, matches, firstGroup + i);
    shapes = new Diagnostics();
    inferTree(tree, shapes);
  }
  for (const d of shapes.all) {
    if (d.severity === "error") tree.broken = true;
    diagnostics.add(d);
  }
}

/** Numbers are only told apart here; `finishInsertions` gives the final ones. */
function nextGroup(tree: NetTree): number {
  let next = 0;
  walk(tree.root, (node) => {
    if (node.inserted) next = Math.max(next, node.inserted.group + 1);
  });
  return next;
}

function applyEdit(cx: EditContext, edit: Edit, matches: readonly TreeNode[], group: number): boolean {
  switch (edit.kind) {
    case "insert": {
      const mark: InsertMark = { group, policy: policyOf(edit) ?? "default", edit };
      return applyInsert(cx, edit, matches, mark);
    }
    case "replace": {
      const policy = policyOf(edit);
      return applyReplace(cx, edit, matches, policy === "preserve" ? undefined : policy);
    }
    case "remove":
      return applyRemove(cx, edit, matches);
    case "set":
      return applySet(cx, edit, matches);
    default:
      return unreachable(edit);
  }
}

// ---- clauses -----------------------------------------------------------------------------------------------------------

const policyOf = (edit: InsertEdit | ReplaceEdit): Policy | undefined => POLICIES.find((p) => p === edit.init?.text);

/** SE311. */
function checkInit(cx: EditContext, edit: Edit): boolean {
  const { init } = edit;
  if (!init) return true;
  if (edit.kind === "remove" || edit.kind === "set") {
    cx.report(messages.SE311.edit({ edit: edit.kind }), init.span);
    return false;
  }
  const policy = policyOf(edit);
  if (!policy) {
    const near = nearest(init.text, POLICIES);
    cx.report(messages.SE311.policy({ name: init.text }), init.span, near === undefined ? {} : { help: `did you mean \`${near}\`?` });
    return false;
  }
  if (policy === "preserve" && edit.kind === "replace") {
    cx.report(messages.SE311.replace(), init.span);
    return false;
  }
  return true;
}

/** What the edit applies to, after `except`, or undefined (or nothing) after a report. */
function matchesOf(cx: EditContext, edit: Edit): TreeNode[] | undefined {
  const all = find(cx, edit.selector);
  if (!all) return undefined;
  if (all.length === 0) {
    reportNoMatch(cx, edit);
    return undefined;
  }
  const dropped = new Map<TreeNode, Selector>();
  for (const selector of edit.except) {
    const excluded = find(cx, selector);
    if (!excluded) return undefined;
    const within = matchesWithin(all, new Set(excluded));
    if (within.length === 0) return reportIdle(cx, edit, selector, excluded.length);
    for (const node of within) if (!dropped.has(node)) dropped.set(node, selector);
  }
  const matches = all.filter((node) => !dropped.has(node));
  if (matches.length === 0) {
    cx.report(messages.SE301.excluded({ selector: editText(edit), net: cx.base, count: counted(all.length, "place") }), edit.selector.span);
    return undefined;
  }
  // another number is an error, but later edits may need what this one does
  checkExpected(cx, edit, matches, dropped);
  return matches;
}

const find = (cx: EditContext, selector: Selector): TreeNode[] | undefined =>
  matchSelector(cx.tree.root, selector, { report: cx.report, evaluate: (e) => evaluate(e, envAt(cx, null)) });

/** Those that are in the set or lie inside something that is. */
function matchesWithin(nodes: readonly TreeNode[], set: ReadonlySet<TreeNode>): TreeNode[] {
  return nodes.filter((node) => {
    for (let at: TreeNode | undefined = node; at; at = at.parent) if (set.has(at)) return true;
    return false;
  });
}

/** SE303. */
function reportIdle(cx: EditContext, edit: Edit, selector: Selector, matched: number): undefined {
  const text = selectorText(selector);
  if (matched > 0) {
    cx.report(messages.SE303.elsewhere({ selector: text, count: counted(matched, "place"), edit: editText(edit) }), selector.span);
    return undefined;
  }
  const { notes, suggestion } = nearMisses(cx, selector);
  cx.report(messages.SE303.nothing({ selector: text, net: cx.base }), selector.span, {
    notes,
    help: suggestion === undefined ? "remove the clause" : `did you mean \`except ${suggestion}\`?`,
  });
  return undefined;
}

/** SE302. */
function checkExpected(cx: EditContext, edit: Edit, matches: readonly TreeNode[], dropped: ReadonlyMap<TreeNode, Selector>): void {
  if (!edit.expect) return;
  const expected = evaluate(edit.expect, envAt(cx, null));
  if (expected === undefined) return;
  if (typeof expected !== "number" || !Number.isInteger(expected)) {
    cx.report(messages.SE112.argument({ arg: "expect", wants: "a whole number", got: kindText(expected) }), edit.expect.span);
    return;
  }
  const found = matches.length;
  if (expected === found) return;
  cx.report(
    messages.SE302.count({
      expected: counted(expected, "match"),
      found,
      net: `${edit.span.file.name}#${cx.base}`,
      selector: selectorText(edit.selector),
    }),
    edit.expect.span,
    {
      notes: [[`matched ${placesText(matches)}`, ...exceptTexts(matches, dropped)].join("; ")],
      fixes: [{ title: `write \`expect ${found}\``, span: edit.expect.span, replacement: String(found) }],
    },
  );
}

/** "nothing in layer4 because of `except layer4` (line 4)". */
function exceptTexts(matches: readonly TreeNode[], dropped: ReadonlyMap<TreeNode, Selector>): string[] {
  const top = (node: TreeNode): string => pathOf(node).split(".")[0] ?? "";
  const kept = new Set(matches.map(top));
  const texts: string[] = [];
  for (const selector of new Set(dropped.values())) {
    const gone = [...dropped].filter(([, by]) => by === selector).map(([node]) => node);
    const tops = [...new Set(gone.map(top))].filter((name) => !kept.has(name));
    const because = `because of \`except ${selectorText(selector)}\` (line ${lineOf(selector.span)})`;
    texts.push(tops.length > 0 ? `nothing in ${tops.join(", ")} ${because}` : `without ${placesText(gone)} ${because}`);
  }
  return texts;
}
