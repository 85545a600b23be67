/** SE301: where a selector stopped matching, what there is at that point, and what was probably meant. */
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { Edit, Segment, Selector } from "../syntax/ast.ts";
import { formatSelector } from "../syntax/format-parts.ts";
import { type EditContext, editText, envAt } from "./edit-context.ts";
import { evaluate, valueText } from "./evaluate.ts";
import { keyValue, matchSelector } from "./match-selector.ts";
import { children, isSilent, type SpecValue, type TreeNode, typeName, walk } from "./tree.ts";

/** `what` is the text in the title: "after @residual.mian". */
export function reportNothing(cx: EditContext, selector: Selector, what: string): void {
  const { notes, suggestion } = nearMisses(cx, selector);
  const text = suggestion === undefined ? undefined : `did you mean \`${suggestion}\`?`;
  cx.report(messages.SE301.nothing({ selector: what, net: cx.base }), selector.span, {
    notes,
    ...(text === undefined ? { help: `\`sec ls ${selector.span.file.name}#${cx.base}\` prints every place` } : { help: text }),
    ...(suggestion === undefined || selector.span.file.name.endsWith(".json")
      ? {}
      : { fixes: [{ title: `write \`${suggestion}\``, span: selector.span, replacement: suggestion }] }),
  });
}

export const reportNoMatch = (cx: EditContext, edit: Edit): void => reportNothing(cx, edit.selector, editText(edit));

interface NearMisses {
  readonly notes: readonly string[];
  readonly suggestion: string | undefined;
}

export function nearMisses(cx: EditContext, selector: Selector): NearMisses {
  const { segments } = selector;
  // the longest beginning that still matches something
  let before: readonly TreeNode[] = [];
  let failing = 0;
  for (; failing < segments.length; failing++) {
    const matches = quietly(cx, { ...selector, segments: segments.slice(0, failing + 1) });
    if (matches.length === 0) break;
    before = matches;
  }
  const segment = segments[failing];
  if (!segment) return { notes: [], suggestion: undefined };
  if (segment.predicates.length > 0) {
    const bare: Selector = { ...selector, segments: [...segments.slice(0, failing), { ...segment, predicates: [] }] };
    const candidates = quietly(cx, bare);
    if (candidates.length > 0) return { notes: predicateNotes(segment, candidates), suggestion: undefined };
  }
  const around = failing === 0 ? [cx.tree.root] : before;
  const beginning = failing === 0 ? cx.base : segmentsText(selector, failing);
  const there = namesBelow(around);
  const types = failing === 0 ? countTypes(cx.tree.root) : there.types;
  return {
    notes: existing(
      beginning,
      around.every((n) => n.kind === "merge"),
      segment,
      there,
      types,
    ),
    suggestion: suggest(cx, selector, failing, there, types),
  };
}

function quietly(cx: EditContext, selector: Selector): readonly TreeNode[] {
  const quiet = { ...cx, report: () => {} };
  return matchSelector(cx.tree.root, selector, { report: quiet.report, evaluate: (e) => evaluate(e, envAt(quiet, null)) }) ?? [];
}

type Counts = Map<string, number>;
const count = (counts: Counts, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1);
};

interface Below {
  readonly labels: Counts;
  readonly branches: Counts;
  readonly types: Counts;
  readonly numbers: Counts;
}

/** What a next segment could match: children, seen through silent levels. */
function namesBelow(nodes: readonly TreeNode[]): Below {
  const below: Below = { labels: new Map(), branches: new Map(), types: new Map(), numbers: new Map() };
  const seen = new Set<TreeNode>();
  const look = (node: TreeNode, direct: boolean): void => {
    if (seen.has(node)) return;
    seen.add(node);
    for (const n of node.before) look(n, direct);
    if (node.label !== undefined) count(below.labels, node.label);
    else if (node.kind === "branch") count(below.branches, node.name);
    else if (direct && !isSilent(node)) count(below.numbers, node.part);
    const type = typeName(node);
    if (type !== undefined) count(below.types, type);
    if (isSilent(node)) for (const n of children(node)) look(n, false);
    for (const n of node.after) look(n, direct);
  };
  for (const node of nodes) for (const n of children(node)) look(n, node.kind !== "merge");
  return below;
}

function countTypes(root: TreeNode): Counts {
  const types: Counts = new Map();
  for (const child of children(root))
    walk(child, (node) => {
      const type = typeName(node);
      if (type !== undefined) count(types, type);
    });
  return types;
}

const listText = (counts: Counts, prefix = ""): string => {
  const all = [...counts].map(([name, n]) => `${prefix}${name}${n > 1 ? ` (${n})` : ""}`);
  return all.length > 12 ? `${all.slice(0, 12).join(", ")}, ...` : all.join(", ");
};

function existing(beginning: string, ofMerges: boolean, segment: Segment, there: Below, types: Counts): string[] {
  if (segment.atoms.kind === "types")
    return types.size === 0 ? [`${beginning} has nothing inside`] : [`${beginning} has ${listText(types, "@")}`];
  const notes: string[] = [];
  if (there.branches.size > 0) notes.push(`${beginning} has the branches ${listText(there.branches)}`);
  // of a merge it is the branches that a selector goes on with
  const names = ofMerges && notes.length > 0 ? new Map() : new Map([...there.labels, ...there.numbers]);
  if (names.size > 0) notes.push(`${beginning} has ${listText(names)}`);
  return notes.length > 0 ? notes : [`${beginning} has nothing inside`];
}

const segmentsText = (selector: Selector, to: number): string => formatSelector({ ...selector, segments: selector.segments.slice(0, to) });

/** The selector with the failing word mended, if it then matches something. */
function suggest(cx: EditContext, selector: Selector, failing: number, there: Below, types: Counts): string | undefined {
  const segment = selector.segments[failing];
  if (!segment) return undefined;
  const { atoms } = segment;
  const tries: Segment[] = [];
  const tryName = (text: string): void => {
    const kind = /^[A-Za-z_]\w*$/.test(text) ? "name" : "string";
    tries.push({ ...segment, atoms: { kind: "parts", parts: [{ kind, text, span: segment.span }] } });
  };
  const tryType = (text: string): void => {
    tries.push({ ...segment, atoms: { kind: "types", names: [{ text, quoted: false, span: segment.span }] } });
  };
  if (atoms.kind === "parts" && atoms.parts.length === 1) {
    const [part] = atoms.parts;
    if (part && part.kind !== "number") {
      const near = nearest(part.text, [...there.branches.keys(), ...there.labels.keys()]);
      if (near !== undefined) tryName(near);
      // `residual.main` where `@residual.main` is meant
      if (types.has(part.text)) tryType(part.text);
      const nearType = nearest(part.text, types.keys());
      if (nearType !== undefined) tryType(nearType);
    }
  } else if (atoms.kind === "types" && atoms.names.length === 1) {
    const name = atoms.names[0]?.text ?? "";
    const near = nearest(name, types.keys());
    if (near !== undefined) tryType(near);
    if (there.labels.has(name) || there.branches.has(name)) tryName(name);
    const nearLabel = nearest(name, [...there.branches.keys(), ...there.labels.keys()]);
    if (nearLabel !== undefined) tryName(nearLabel);
  }
  for (const attempt of tries) {
    const segments = selector.segments.with(failing, attempt);
    if (quietly(cx, { ...selector, segments }).length === 0) continue;
    return formatSelector({ ...selector, segments });
  }
  return undefined;
}

/** "22 match `@conv`; their kernel is 1, 3, 7". */
function predicateNotes(segment: Segment, candidates: readonly TreeNode[]): string[] {
  const bare = formatSelector({ segments: [{ ...segment, predicates: [] }], span: segment.span });
  const notes = segment.predicates.map(({ key, sub }) => {
    const values = new Map<string, SpecValue>();
    for (const node of candidates) {
      const value = keyValue(node, key.text, sub?.text);
      if (value !== undefined) values.set(valueText(value), value);
    }
    const texts = [...values].sort(([, a], [, b]) => (typeof a === "number" && typeof b === "number" ? a - b : 0)).map(([t]) => t);
    const list = texts.length > 10 ? `${texts.slice(0, 10).join(", ")}, ...` : texts.join(", ");
    return `${sub ? `${key.text}.${sub.text}` : key.text} is ${list}`;
  });
  return [
    `without the comparison ${candidates.length === 1 ? "1 place matches" : `${candidates.length} places match`} \`${bare}\`; ${notes.join("; ")}`,
  ];
}
