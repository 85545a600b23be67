/** Making tree nodes: numbers, labels, names that are taken (language.md section 6). */
import { messages } from "../diagnostics/messages.gen.ts";
import type { Span } from "../source.ts";
import type { Name } from "../syntax/ast.ts";
import { type Context, type Flow, type Named, type Place, placeText, report } from "./expand-context.ts";
import { levelIn } from "./expand-jumps.ts";
import type { LayerNode, TreeNode } from "./tree.ts";

/** The fields every node has; `part` and `label` are set by `place`. */
export function base(cx: Context, place: Place, span: Span, nameSpan: Span, flow: Flow) {
  return {
    parent: place.container as TreeNode,
    label: undefined as string | undefined,
    part: "",
    origin: { span, via: cx.via },
    nameSpan,
    before: [] as TreeNode[],
    after: [] as TreeNode[],
    in: flow ?? undefined,
    out: undefined,
  };
}

const NUMBER_IN_LABEL = /\{(\d*)\}/g;

/** Whether the label stands for another name at every layer that has it. */
export const isNumbered = (label: string): boolean => label.search(NUMBER_IN_LABEL) >= 0;

/** `{}` in a label is the layer's number; `{1}` is the number counted from 1. */
const numberedLabel = (label: string, number: number): string =>
  label.replace(NUMBER_IN_LABEL, (_, first: string) => String(number + Number(first)));

/**
 * Puts a node at the end of the body, gives it its label or number, and reports a name that is taken (SE106).
 * The entry returned is marked `done` once the node is complete; until then it cannot be jumped to.
 */
export function placeNode(cx: Context, place: Place, node: TreeNode, label: Name | undefined, counted: boolean): Named {
  const { names, container, counter } = place;
  const number = counted ? counter.counted++ : undefined;
  const named: Named = { node, span: label?.span ?? node.nameSpan, done: false };
  if (label) {
    const text = numberedLabel(label.text, number ?? 0);
    node.label = text;
    node.part = text;
    addLabel(cx, place, { ...label, text }, named);
  } else if (number !== undefined) {
    node.part = String(number);
    if (place.branch === undefined) {
      const other = names.labels.get(node.part);
      if (other) reportTaken(cx, place, node.part, node.nameSpan, other.span);
      else names.numbers.add(node.part);
    }
  }
  container.items.push(node);
  return named;
}

function addLabel(cx: Context, { names }: Place, label: Name, named: Named): void {
  const other = names.labels.get(label.text);
  if (other) {
    reportTaken(cx, { names }, label.text, label.span, other.span);
    return;
  }
  const branch = names.branches.get(label.text);
  if (branch) {
    report(cx, messages.SE106.branch({ name: label.text, level: levelIn(cx, names.node) }), label.span, {
      notes: [`the branch is in ${placeText(branch, label.span)}`],
    });
  } else if (names.numbers.has(label.text)) {
    report(cx, messages.SE106.taken({ name: label.text, level: levelIn(cx, names.node) }), label.span, {
      notes: [`an unlabelled layer before it has the number ${label.text}`],
    });
  }
  names.labels.set(label.text, named);
}

function reportTaken(cx: Context, { names }: Pick<Place, "names">, name: string, span: Span, other: Span): void {
  report(cx, messages.SE106.taken({ name, level: levelIn(cx, names.node) }), span, {
    notes: [`the other one is in ${placeText(other, span)}`],
  });
}

/** Stands where a call could not be expanded, so that its label exists and nothing more is said about it. */
export function poisonNode(cx: Context, place: Place, span: Span, nameSpan: Span, flow: Flow, label: Name | undefined): void {
  cx.tree.broken = true;
  const node: LayerNode = {
    kind: "layer",
    op: "identity",
    args: {},
    call: "identity",
    argSpans: new Map(),
    ...base(cx, place, span, nameSpan, flow),
  };
  placeNode(cx, place, node, label, true).done = true;
}
