/** `set S(name=value, ...)`: a layer keeps its place and takes new arguments, a block or net is expanded anew (language.md section 9.2). */
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { must } from "../invariant.ts";
import { isOpName, opOf } from "../ops/index.ts";
import { completeAttributes } from "../ops/read-attributes.ts";
import type { Span } from "../source.ts";
import type { SetEdit } from "../syntax/ast.ts";
import { counted, type EditContext, envAt, liesIn, lineOf, markEdited, selectorText } from "./edit-context.ts";
import { referencesIn } from "./edit-references.ts";
import { evaluate, valueText } from "./evaluate.ts";
import { checkAttributes, opSignature, sourceText } from "./expand-arguments.ts";
import type { SpecValue } from "./scope.ts";
import { type CallSource, type LayerNode, type LevelNode, pathOf, type Reference, type TreeNode, walk } from "./tree.ts";

type Values = ReadonlyMap<string, { readonly value: SpecValue | undefined; readonly span: Span }>;

export function applySet(cx: EditContext, edit: SetEdit, matches: readonly TreeNode[]): boolean {
  if (!allNamed(cx, edit, matches) || !areApart(cx, edit, matches)) return false;
  const references = matches.some((m) => m.kind === "level") ? referencesIn(cx.tree.root) : [];
  for (const match of matches) {
    const done =
      match.kind === "layer"
        ? setLayer(cx, edit, match)
        : match.kind === "level" && match.source
          ? setLevel(cx, edit, match, match.source, references)
          : refuse(cx, edit, match);
    if (!done) return false;
    markEdited(cx, must(match.parent, "parent"), edit);
  }
  return true;
}

function refuse(cx: EditContext, edit: SetEdit, match: TreeNode): false {
  const p = { selector: selectorText(edit.selector), place: pathOf(match) };
  if (match.kind === "branch" || match.kind === "inline") cx.report(messages.SE307.set(p), edit.selector.span);
  else
    cx.report(
      messages.SE307.without({ ...p, kind: match.kind === "level" ? "group" : match.kind === "merge" ? match.word : match.kind }),
      edit.selector.span,
    );
  return false;
}

/** Expanding a block anew would undo what the same edit sets inside it (SE312). */
function areApart(cx: EditContext, edit: SetEdit, matches: readonly TreeNode[]): boolean {
  const set = new Set(matches);
  for (const match of matches) {
    for (let outer = match.parent; outer; outer = outer.parent) {
      if (!set.has(outer) || outer.kind !== "level") continue;
      const around = outer;
      const inside = matches.filter((n) => n !== around && liesIn(n, around)).length;
      cx.report(
        messages.SE312.set({ selector: selectorText(edit.selector), place: pathOf(around), count: counted(inside, "thing") }),
        edit.selector.span,
      );
      return false;
    }
  }
  return true;
}

/** SE310, SE111 for the same argument twice. */
function allNamed(cx: EditContext, edit: SetEdit, matches: readonly TreeNode[]): boolean {
  const seen = new Set<string>();
  for (const [i, arg] of edit.args.entries()) {
    if (!arg.name) {
      const name = matches[0] && namesOf(matches[0])[i];
      const message =
        name === undefined ? messages.SE310.unnamed() : messages.SE310.positional({ name, value: sourceText(arg.value.span) });
      cx.report(message, arg.span);
      return false;
    }
    if (seen.has(arg.name.text)) {
      cx.report(messages.SE111.twice({ arg: arg.name.text }), arg.span);
      return false;
    }
    seen.add(arg.name.text);
  }
  return true;
}

/** Arguments a node takes, in order. */
function namesOf(node: TreeNode): string[] {
  if (node.kind === "layer") return node.call === "act" ? ["kind"] : opSignature(node.op, opOf(node.op)).params.map((p) => p.name);
  return node.kind === "level" ? (node.source?.def.params.map((p) => p.name.text) ?? []) : [];
}

/** The new values, evaluated with `in` and `here` = what the match reads; undefined after a report. */
function valuesOf(cx: EditContext, edit: SetEdit, match: TreeNode, called: string): Values | undefined {
  const names = namesOf(match);
  const values = new Map<string, { readonly value: SpecValue | undefined; readonly span: Span }>();
  for (const arg of edit.args) {
    const name = must(arg.name, "argument name");
    if (!names.includes(name.text)) {
      reportUnknown(cx, name.text, name.span, called, names);
      return undefined;
    }
    const value = evaluate(arg.value, envAt(cx, match.in));
    if (value === undefined) return undefined;
    values.set(name.text, { value, span: arg.value.span });
  }
  return values;
}

function reportUnknown(cx: EditContext, arg: string, span: Span, name: string, names: readonly string[]): void {
  const near = nearest(arg, names);
  cx.report(messages.SE111.unknown({ name, arg }), span, {
    notes: [names.length === 0 ? `${name} takes no arguments` : `it takes ${names.join(", ")}`],
    ...(near === undefined ? {} : { help: `did you mean \`${near}\`?` }),
  });
}

function setLayer(cx: EditContext, edit: SetEdit, layer: LayerNode): boolean {
  const values = valuesOf(cx, edit, layer, layer.call);
  if (!values) return false;
  if (layer.call === "act") return setActivation(cx, layer, values);
  const given = new Map<string, { readonly value: SpecValue | undefined; readonly span: Span }>();
  for (const [name, value] of Object.entries(layer.args))
    if (value !== undefined) given.set(name, { value: value as SpecValue, span: layer.argSpans.get(name) ?? layer.nameSpan });
  for (const [name, value] of values) given.set(name, value);
  const args = checkAttributes(layer.op, opOf(layer.op), given, edit.span, cx.report);
  if (!args) return false;
  layer.args = args;
  layer.argSpans = new Map([...layer.argSpans, ...[...values].map(([name, { span }]) => [name, span] as const)]);
  return true;
}

/** `set x(kind="silu")` on an `act("relu")`. */
function setActivation(cx: EditContext, layer: LayerNode, values: Values): boolean {
  for (const { value, span } of values.values()) {
    const op = value === "none" ? "identity" : value;
    if (typeof op !== "string" || !isOpName(op) || (op !== "identity" && opOf(op).category !== "activation")) {
      cx.report(
        messages.SE113.choice({ arg: "kind", got: valueText(value as SpecValue), choices: "the name of an activation, or none" }),
        span,
      );
      return false;
    }
    layer.op = op;
    layer.args = completeAttributes(opOf(op), {});
  }
  return true;
}

function setLevel(cx: EditContext, edit: SetEdit, level: LevelNode, source: CallSource, references: readonly Reference[]): boolean {
  const values = valuesOf(cx, edit, level, level.type);
  if (!values) return false;
  if (level.in === undefined) {
    cx.reportShapes();
    return false;
  }
  const undone = earlierEdit(level);
  if (undone) {
    cx.report(messages.SE309.undo({ line: lineOf(undone), place: pathOf(level) }), edit.span, {
      related: [{ span: undone, text: "the earlier edit" }],
    });
    return false;
  }
  const outputs = level.items.filter((i) => i.kind === "output");
  if (!cx.tree.machine.anew(cx.tree, level, new Map([...source.given, ...values]), cx.diagnostics, references)) return false;
  // jumps to an output of a net used as a layer follow it by name
  for (const { by, target, output } of references) {
    if (target !== level || by.kind !== "from" || !output || !outputs.includes(output)) continue;
    const item = level.items.find((i) => i.kind === "output" && i.name === output.name);
    if (item?.kind !== "output") {
      cx.report(messages.SE117.gone({ what: `from ${by.text}`, name: by.text }), by.origin.span);
      return false;
    }
    by.target = { kind: "output", item, net: level };
  }
  return true;
}

/** An edit that changed something inside and would not be made again by expanding anew, as the edits of a net in it are. */
function earlierEdit(level: LevelNode): Span | undefined {
  let found: Span | undefined;
  const look = (node: TreeNode): void => {
    if (node.edited && !liesIn(node.edited.root, level)) found ??= node.edited.span;
  };
  if (level.edited) look(level);
  for (const item of level.items) if ("before" in item) walk(item, look);
  return found;
}
