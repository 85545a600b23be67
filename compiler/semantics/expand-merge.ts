/** `residual`, `add`, `mul`, `concat` (language.md section 7). */
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { opOf } from "../ops/index.ts";
import type { Branch, Expr, Merge, Name } from "../syntax/ast.ts";
import { evaluate, evaluateCondition } from "./evaluate.ts";
import { checkAttributes, type Given, opSignature, sourceText } from "./expand-arguments.ts";
import { type Context, countNodes, envOf, type Flow, namesOf, type Place, placeText, report } from "./expand-context.ts";
import { levelIn } from "./expand-jumps.ts";
import { base, placeNode, poisonNode } from "./expand-nodes.ts";
import { mergeType } from "./infer-types.ts";
import type { BranchNode, InlineNode, MergeNode } from "./tree.ts";

export function expandMerge(cx: Context, merge: Merge, label: Name | undefined, place: Place, flow: Flow): Flow {
  if (!countNodes(cx, 1, merge.wordSpan)) return undefined;
  const { when, args } = mergeArguments(cx, merge, label, flow);
  if (!branchesFit(cx, merge)) {
    poisonNode(cx, place, merge.span, merge.wordSpan, flow, label);
    return undefined;
  }
  if (when === false && !label) return expandInline(cx, merge, place, flow);
  const node: MergeNode = {
    kind: "merge",
    word: merge.word,
    args: args ?? {},
    branches: [],
    ...base(cx, place, merge.span, merge.wordSpan, flow),
  };
  node.part = `@${merge.word}`;
  const named = placeNode(cx, place, node, label, label !== undefined);
  const names = label ? namesOf(node, place.names) : place.names;
  const types = merge.branches.map((branch) => {
    const inside = expandBranch(cx, branch, node, { ...place, names }, flow);
    node.branches.push(inside);
    return inside.out;
  });
  named.done = true;
  if (args && when !== undefined)
    node.out = mergeType(node, types, flow ?? undefined, (message, span, extra) => report(cx, message, span, extra));
  return node.out;
}

function expandBranch(cx: Context, branch: Branch, merge: MergeNode, place: Place, flow: Flow): BranchNode {
  const node: BranchNode = {
    kind: "branch",
    name: branch.name.text,
    items: [],
    ...base(cx, place, branch.span, branch.name.span, flow),
    parent: merge,
  };
  node.part = node.name;
  claimBranchName(cx, place, branch.name);
  const inside: Place = { container: node, names: place.names, counter: { counted: 0 }, branch: node.name };
  node.out = cx.knot.statements(cx, branch.body, inside, flow) ?? undefined;
  return node;
}

/** `residual(when=false)`: the names are those of the branch all the same, so they do not depend on the condition. */
function expandInline(cx: Context, merge: Merge, place: Place, flow: Flow): Flow {
  const main = merge.branches.find((b) => b.name.text === "main") as Branch;
  const node: InlineNode = { kind: "inline", name: "main", items: [], ...base(cx, place, merge.span, merge.wordSpan, flow) };
  node.part = "main";
  const named = placeNode(cx, place, node, undefined, false);
  claimBranchName(cx, place, main.name);
  const inside: Place = { container: node, names: place.names, counter: { counted: 0 }, branch: "main" };
  const value = cx.knot.statements(cx, main.body, inside, flow);
  node.out = value ?? undefined;
  named.done = true;
  return value;
}

function claimBranchName(cx: Context, { names }: Place, name: Name): void {
  const label = names.labels.get(name.text);
  if (label) {
    const at = `the label is in ${placeText(label.span, name.span)}`;
    report(cx, messages.SE106.branch({ name: name.text, level: levelIn(cx, names.node) }), name.span, { notes: [at] });
  }
  names.branches.set(name.text, name.span);
}

/** SE109; false when the merge makes no sense. */
function branchesFit(cx: Context, merge: Merge): boolean {
  const seen = new Set<string>();
  let ok = true;
  const fail = (...parts: [Parameters<typeof report>[1], Parameters<typeof report>[2]]): void => {
    ok = false;
    report(cx, ...parts);
  };
  for (const { name } of merge.branches) {
    if (seen.has(name.text)) fail(messages.SE109.twice({ name: name.text }), name.span);
    else if (merge.word === "residual" && name.text !== "main" && name.text !== "shortcut")
      fail(messages.SE109.other({ name: name.text }), name.span);
    seen.add(name.text);
  }
  if (merge.word === "residual") {
    if (ok && !seen.has("main")) fail(messages.SE109.main(), merge.wordSpan);
  } else if (ok && merge.branches.length < 2) fail(messages.SE109.few({ word: merge.word }), merge.wordSpan);
  return ok;
}

/** `args` undefined and `when` undefined: a wrong one, which was reported. */
function mergeArguments(
  cx: Context,
  merge: Merge,
  label: Name | undefined,
  flow: Flow,
): { when: boolean | undefined; args: MergeNode["args"] | undefined } {
  const { word } = merge;
  const env = envOf(cx, flow);
  const record = opOf(word === "residual" ? "add" : word);
  const known = word === "residual" ? ["when"] : opSignature(word, record).params.map((p) => p.name);
  const given = new Map<string, Given>();
  let when: boolean | undefined = true;
  let ok = true;
  for (const arg of merge.args) {
    const name = arg.name?.text;
    if (name === undefined) {
      ok = false;
      const fixed = `${word}(${known[0] ?? ""}=${sourceText(arg.value.span)})`;
      const message =
        known.length > 0 ? messages.SE110.positional({ name: word, fixed }) : messages.SE110.none({ name: word, given: merge.args.length });
      report(cx, message, arg.span);
    } else if (!known.includes(name)) {
      ok = false;
      const near = nearest(name, known);
      const help =
        near !== undefined ? { help: `did you mean \`${near}\`?` } : known.length === 0 ? { help: `\`${word}\` takes no arguments` } : {};
      report(cx, messages.SE111.unknown({ name: word, arg: name }), arg.name?.span ?? arg.span, help);
    } else if (given.has(name)) {
      ok = false;
      report(cx, messages.SE111.twice({ arg: name }), arg.span);
    } else {
      const value = name === "when" ? undefined : evaluate(arg.value, env);
      given.set(name, { value, span: arg.value.span, argSpan: arg.span, positional: false });
      if (name === "when") when = whenValue(cx, arg.value, label, arg.span, flow);
    }
  }
  if (!ok) return { when, args: undefined };
  return { when, args: word === "residual" ? {} : checkAttributes(word, record, given, merge.wordSpan, env.report) };
}

function whenValue(cx: Context, condition: Expr, label: Name | undefined, span: Merge["span"], flow: Flow): boolean | undefined {
  if (label) report(cx, messages.SE109.when(), span);
  return evaluateCondition(condition, "when", envOf(cx, flow));
}
